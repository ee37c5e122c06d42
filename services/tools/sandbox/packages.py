"""Sets of packages that tools need."""

import re
from collections.abc import Iterable

from services.tools.sandbox.job import Language

_PIP_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]*\])?")
_PIP_VERSION = re.compile(r"(?:~=|===?|!=|<=|>=|<|>)\s*[A-Za-z0-9.!+*_-]+")
_NPM_NAME = re.compile(r"(@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*")
_NPM_VERSION = re.compile(r"[A-Za-z0-9.^~<>=*|+ -]+")  # numbers, ranges and tags; nothing that can be an address
MAX_CHARS = 200  # of one requirement


class BadRequirement(ValueError):
    """It is not the name of a package with the versions wanted; the message says which, and why."""


def read_requirements(language: Language, wanted: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """Names and versions as `Job.packages` has them: sorted, none twice.

    Only names of the index and versions of them are taken: no addresses, no paths, no options. Raises `BadRequirement`.
    """
    read = _read_pip if language == "python" else _read_npm
    return tuple(sorted({read(name.strip(), (version or "").strip()) for name, version in wanted}))


def _read_pip(name: str, version: str) -> str:
    """Versions may stand in the name too, as in "six>=1.16"; one without an operator is meant exactly."""
    if version and version[0].isalnum():
        version = f"=={version}"
    text = f"{name}{version}"
    found = _PIP_NAME.match(text)
    versions = text[found.end() :].strip() if found else ""
    parts = [one.strip() for one in versions.split(",")] if versions else []
    if not found or len(text) > MAX_CHARS or not all(map(_PIP_VERSION.fullmatch, parts)):
        raise BadRequirement(f"{text!r} is not a package and its versions, such as six or six>=1.16,<2.")
    return found.group().replace(" ", "") + ",".join(part.replace(" ", "") for part in parts)


def _read_npm(name: str, version: str) -> str:
    text = f"{name}@{version or '*'}"
    if not _NPM_NAME.fullmatch(name) or (version and not _NPM_VERSION.fullmatch(version)) or len(text) > MAX_CHARS:
        raise BadRequirement(f"{text!r} is not a package and its versions, such as is-number@7.0.0 or is-number@^7.")
    return text
