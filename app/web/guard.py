"""Guard: which machines this service may call, whatever address somebody has given.

The name is resolved once, every address behind it is checked, and the connection goes to one of those: a name that
answers differently the next time gains nothing. Addresses of the operator's own network are refused unless
ALLOW_PRIVATE_HOSTS names them.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

LONGEST_HOST = 253
RESOLVE_SECONDS = 5.0
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PUBLIC_NAME = re.compile(rf"(?:{LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?", re.ASCII)
"""A name of the public DNS: more than one label, and the last begins with a letter, so that none is a number."""
OWN_NETWORK = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa")
"""Last labels that never lead out of a network."""

NOT_PUBLIC: tuple[IPv4Network, ...] = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
PUBLIC_UNICAST = IPv6Network("2000::/3")
NOT_PUBLIC_UNICAST: tuple[IPv6Network, ...] = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
"""Teredo, 6to4 and their like hold an IPv4 address; the rest is for documents."""

IpAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class UnsafeAddressError(Exception):
    """The address is not one of a public web server."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the machine resolves it."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [str(each[4][0]) for each in found]


class Guard:
    """Checks addresses before they are called."""

    def __init__(self, allowed: Iterable[str] = (), resolve: Resolve = resolve_by_system) -> None:
        """`allowed` are names, addresses and networks that may be called although they are not public."""
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        self._resolve = resolve
        for each in allowed:
            try:
                self._networks.append(ip_network(each, strict=False))
            except ValueError:
                self._names.add(each.lower())

    def allows(self, url: str) -> bool:
        """Whether the operator has named the host of this URL as one that may be called."""
        try:
            host = httpx.URL(url).host
        except (httpx.InvalidURL, ValueError):
            return False
        address = as_address(host)
        return host in self._names or (address is not None and self._is_allowed(address))

    def _is_allowed(self, address: IpAddress) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)

    def checked_url(self, url: str) -> httpx.URL:
        """The URL, if it is one of the web and names no machine that is not public; nothing is asked for this."""
        try:
            read = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise UnsafeAddressError("must be a URL") from None
        if read.scheme not in {"http", "https"} or read.userinfo or not read.host:
            raise UnsafeAddressError("must begin with https:// and a host, without a user")
        self._check_host(read.raw_host.decode("ascii", "replace").strip("[]"))
        return read

    def _check_host(self, host: str) -> None:
        host = host.lower().removesuffix(".")
        if host in self._names:
            return
        address = as_address(host)
        if address is not None:
            self._check_address(address)
            return
        if len(host) > LONGEST_HOST or not PUBLIC_NAME.fullmatch(host) or host.rpartition(".")[2] in OWN_NETWORK:
            raise UnsafeAddressError("must name a public host")

    def _check_address(self, address: IpAddress) -> None:
        if not (is_public(address) or self._is_allowed(address)):
            raise UnsafeAddressError("must name a public host")

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Where to connect for this host; UnsafeAddressError where any of its addresses is not public."""
        host = host.lower().removesuffix(".")
        self._check_host(host)
        if as_address(host) is not None:
            return [host]
        found = await self._resolve(host, port)
        if host not in self._names:
            for each in found:
                address = as_address(each)
                if address is None:
                    raise UnsafeAddressError("must name a public host")
                self._check_address(address)
        return [*dict.fromkeys(found)]


def as_address(text: str) -> IpAddress | None:
    """The IP address in the text, without a zone; None where it is none."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def is_public(address: IpAddress) -> bool:
    """Whether an address is one of the public internet, and no form in which another one is hidden."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC)
    return address in PUBLIC_UNICAST and not any(address in network for network in NOT_PUBLIC_UNICAST)
