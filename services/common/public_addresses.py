"""Which addresses are of the open internet: the server must not be made to reach what only it can reach."""

import asyncio
import socket
from ipaddress import ip_address, ip_network

# IPv6 networks that carry IPv4 addresses of any kind: RFC 4291, RFC 6052, RFC 8215, RFC 3056.
_IPV4_CARRIERS = ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
# What Python takes for global: networks of protocols (RFC 6890), of sites (RFC 3879), and Azure's address for machines:
# https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_LOCAL = ("192.0.0.0/24", "fec0::/10", "168.63.129.16/32")
_NOT_PUBLIC = tuple(map(ip_network, (*_IPV4_CARRIERS, *_LOCAL)))


class ForbiddenAddress(Exception):
    """The host has an address that is not public; the message names both."""


def is_public(address: str) -> bool:
    """Whether an IP address is reached through the internet: not private, local, of this host, or of a group."""
    parsed = ip_address(address.partition("%")[0])
    if any(parsed in network for network in _NOT_PUBLIC):
        return False
    return parsed.is_global and not parsed.is_multicast


async def public_addresses(host: str) -> list[str]:
    """All addresses of a host, the best first.

    Raises `ForbiddenAddress` if one is not public, OSError if there is none. Whoever connects has to use one of
    these: a name that is looked up twice can lead elsewhere the second time.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not is_public(address):
            raise ForbiddenAddress(f"Non-public IP not allowed: {host} is {address}")
    return addresses
