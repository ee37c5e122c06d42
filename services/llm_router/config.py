"""The router's configuration, from the environment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.common.config import Addresses, BadConfiguration, Environment
from services.llm_router.deadlines import Deadlines
from services.llm_router.retries import RetryPolicy
from services.llm_router.vendors import VENDORS, Vendor

BUILT_IN = "perdure"  # begins the handles of the built-in models
_COMPATIBLE = re.compile(r"OPENAI_COMPATIBLE_([A-Z0-9_]+)_BASE_URL")
_VERSION = re.compile(r"v\d+\w*")


@dataclass(frozen=True)
class ProviderConfig:
    """A provider to open: `name` begins its handles; `base_url` includes the version where the protocol has one."""

    name: str
    vendor: Vendor
    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class RouterConfig:
    """What llm_router reads from its environment."""

    addresses: Addresses
    providers: tuple[ProviderConfig, ...]
    deadlines: Deadlines
    retries: RetryPolicy

    @classmethod
    def read(cls, environment: Environment) -> "RouterConfig":
        """Providers from <VENDOR>_API_KEY and <VENDOR>_BASE_URL, and OPENAI_COMPATIBLE_<NAME>_BASE_URL and _API_KEY."""
        return cls(
            addresses=Addresses.read(environment),
            providers=(*_vendors(environment), *_compatible(environment)),
            deadlines=_read_deadlines(environment),
            retries=RetryPolicy(attempts=int(environment.number("PERDURE_LLM_ATTEMPTS", 3, minimum=1))),
        )


def _read_deadlines(environment: Environment) -> Deadlines:
    usual = Deadlines()
    return Deadlines(
        connect_s=environment.number("PERDURE_LLM_CONNECT_TIMEOUT_S", usual.connect_s),
        first_event_s=environment.number("PERDURE_LLM_FIRST_EVENT_TIMEOUT_S", usual.first_event_s),
        between_chunks_s=environment.number("PERDURE_LLM_CHUNK_TIMEOUT_S", usual.between_chunks_s),
        total_s=environment.number("PERDURE_LLM_TOTAL_TIMEOUT_S", usual.total_s),
    )


def _vendors(environment: Environment) -> Iterator[ProviderConfig]:
    for name, vendor in VENDORS.items():
        url = environment.text(f"{vendor.variables}_BASE_URL", vendor.base_url)
        key = environment.text(f"{vendor.variables}_API_KEY", "")
        if key or (vendor.is_keyless and environment.variables.get(f"{vendor.variables}_BASE_URL")):
            yield ProviderConfig(name, vendor, complete_url(url, vendor.path), key)


def _compatible(environment: Environment) -> Iterator[ProviderConfig]:
    for variable, url in environment.variables.items():
        match = _COMPATIBLE.fullmatch(variable)
        if match and url:
            name = match.group(1).lower()
            if name in VENDORS or name == BUILT_IN:
                raise BadConfiguration(f"{variable}: the name {name!r} is taken")
            key = environment.text(f"OPENAI_COMPATIBLE_{match.group(1)}_API_KEY", "")
            yield ProviderConfig(name, Vendor(type="openai", protocol="openai"), complete_url(url, "/v1"), key)


def complete_url(url: str, path: str) -> str:
    """A base address with the protocol's path: an address that names a version has it already."""
    url = url.rstrip("/")
    is_versioned = any(_VERSION.fullmatch(segment) for segment in urlsplit(url).path.split("/"))
    return url if is_versioned else url + path
