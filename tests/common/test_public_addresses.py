"""What counts as an address of the open internet, and HTTP that goes nowhere else."""

import socket
from typing import Any

import httpx2
import pytest

from services.common.public_addresses import ForbiddenAddress, is_public, public_addresses
from services.common.public_http import PublicTransport


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
        "::10.0.0.1",
        "192.0.0.192",
        "fec0::1",
        "168.63.129.16",
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


async def test_one_private_address_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _answers("8.8.8.8", "10.0.0.1"))

    with pytest.raises(ForbiddenAddress, match=r"mixed\.example is 10\.0\.0\.1"):
        await public_addresses("mixed.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001"])
async def test_private_hosts_get_no_request(host: str) -> None:
    async with httpx2.AsyncClient(transport=PublicTransport()) as http:
        with pytest.raises(ForbiddenAddress):
            await http.get(f"http://{host}:9/")


async def test_a_name_that_leads_nowhere_is_a_connect_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    async with httpx2.AsyncClient(transport=PublicTransport()) as http:
        with pytest.raises(httpx2.ConnectError, match="cannot be resolved"):
            await http.get("http://nowhere.example/")


async def test_a_redirect_to_a_private_host_is_refused() -> None:
    elsewhere = httpx2.MockTransport(lambda _: httpx2.Response(302, headers={"location": "http://169.254.169.254/"}))
    mounts = {"all://public.example": elsewhere}

    async with httpx2.AsyncClient(transport=PublicTransport(), mounts=mounts, follow_redirects=True) as http:
        with pytest.raises(ForbiddenAddress, match=r"169\.254\.169\.254"):
            await http.get("http://public.example/")


def _answers(*addresses: str) -> Any:  # Any: stands in for socket.getaddrinfo
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in addresses]
