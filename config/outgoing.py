"""Speak to an address that somebody typed in: only on the open internet, and nowhere else.

The name is resolved once, every address of it is checked, and the connection goes to the address
that was checked, so a name that answers differently the second time leads nowhere.
"""

import ipaddress
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import certifi
import urllib3
from django.conf import settings

SECONDS = 10.0
SECONDS_OF_BODY = 60.0
LOWEST_PORT = 1024  # besides 80 and 443; below live servers that speak no HTTP
MAX_ANSWER = 300  # bytes of a refusal that are kept
_CHUNK = 64 * 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """The address is not one that this server may speak to; the words say why."""


class NotTaken(Exception):
    """The other side could not be reached, or did not say that it has the message."""


@dataclass(frozen=True)
class Answer:
    """What the other side said, whatever its status; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def post(url: str, body: bytes, *, headers: Mapping[str, str]) -> None:
    """POST a body; returns when the answer is 2xx. A redirect is no 2xx.

    Raises NotAllowed without any connection, and NotTaken.
    """
    _accepted(url, request("POST", url, headers=headers, body=body, most=MAX_ANSWER, heard=True))


def get(url: str, *, headers: Mapping[str, str], most: int) -> bytes:
    """GET a body of at most `most` bytes; raises NotAllowed, NotTaken also for what is no 2xx."""
    answer = request("GET", url, headers=headers, most=most)
    _accepted(url, answer)
    return answer.body


def request(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", most: int,
    heard: bool = False,
) -> Answer:  # fmt: skip
    """One request and its answer, no redirect followed. A body of more than `most` bytes is
    refused; when all that matters is to be `heard`, it is cut off there and that of a 2xx is not
    waited for. Raises NotAllowed without any connection, and NotTaken.
    """
    parts, port = _checked(url)
    host = parts.hostname or ""
    address = _resolved(host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {**headers, "Host": parts.netloc, "User-Agent": "maestro-oms"}
    with _pool(parts.scheme, host, address, port) as pool:
        try:
            answer = pool.request(
                method, path, body=body or None, headers=sent, redirect=False, retries=False,
                preload_content=False,
            )  # fmt: skip
            try:
                content = b"" if heard and _ok(answer.status) else _read(answer, most, host=host)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise NotTaken(f"{host} could not be reached: {error}"[:300]) from error
    if len(content) > most and not heard:
        raise NotTaken(f"{host} answered more than {most:,} bytes")
    names = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, content[:most], names)


def _read(answer: urllib3.BaseHTTPResponse, most: int, *, host: str) -> bytes:
    """A body as it comes in, until it is over `most` bytes, whatever its headers say."""
    stop = time.monotonic() + SECONDS_OF_BODY
    content = b""
    while len(content) <= most and (part := answer.read(_CHUNK)):
        content += part
        if time.monotonic() > stop:
            raise NotTaken(f"{host} took more than {SECONDS_OF_BODY:.0f} s to answer")
    return content


def _ok(status: int) -> bool:
    return 200 <= status < 300


def _accepted(url: str, answer: Answer) -> None:
    if not _ok(answer.status):
        words = answer.body[:MAX_ANSWER].decode("utf-8", "replace")
        raise NotTaken(f"{urlsplit(url).hostname} answered {answer.status}: {words}")


def check(url: str) -> None:
    """Raises NotAllowed for an address that can be seen to be wrong without asking for its name."""
    parts, port = _checked(url)
    try:
        found = socket.getaddrinfo(parts.hostname, port, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return  # a name; where it leads is checked each time it is called
    _only_public(parts.hostname or "", [str(entry[4][0]) for entry in found])


def _checked(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise NotAllowed(f"not an address: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise NotAllowed("only http and https addresses with a host are called")
    if "@" in parts.netloc:
        raise NotAllowed("an address with a user name in it is not called")
    if port not in _PORTS.values() and port < LOWEST_PORT:
        raise NotAllowed(f"port {port} is not called")
    return parts, port


def _resolved(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotTaken(f"{host[:100]} has no address: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    _only_public(host, addresses)
    return addresses[0]


def _only_public(host: str, addresses: Iterable[str]) -> None:
    if settings.OUTGOING_PRIVATE_ALLOWED:
        return
    for address in addresses:
        if not is_public(address.partition("%")[0]):
            raise NotAllowed(f"{host} leads to {address}, which is not on the open internet")


def is_public(address: str) -> bool:
    """Whether an IP address, and every address inside it, is on the open internet."""
    return all(
        one.is_global and not one.is_multicast for one in _all(ipaddress.ip_address(address))
    )


def _all(address: Address) -> Iterator[Address]:
    """The address, and what it stands for when it is IPv4 in the clothes of IPv6."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        yield from (
            inner
            for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
            if inner
        )
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _pool(scheme: str, host: str, address: str, port: int) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(total=SECONDS)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    return urllib3.HTTPSConnectionPool(
        address, port, timeout=timeout, cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(),
        server_hostname=host, assert_hostname=host,
    )  # fmt: skip
