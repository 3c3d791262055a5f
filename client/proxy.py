"""Which calls gRPC sends through an HTTP proxy of the environment, and which must not go there."""

import ipaddress
import os
from urllib.parse import urlsplit

# In the order in which gRPC core looks; it knows the lower-case names only.
_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")

_LOCAL_SCHEMES = ("unix:", "unix-abstract:", "vsock:")


def goes_direct(target: str) -> bool:
    """Return True for a gRPC target that no proxy can reach.

    These are this machine itself and, because gRPC asks the proxy for all of its addresses as if they were one name, a
    list.
    """
    return target.startswith(_LOCAL_SCHEMES) or "," in target or _is_loopback(_host(target))


def proxy_options(target: str) -> list[tuple[str, int]]:
    """Return the channel options for a target: none, or that no proxy is to be used."""
    return [("grpc.enable_http_proxy", 0)] if goes_direct(target) else []


def proxy_route(target: str) -> str:
    """Return how calls go through a proxy, for messages: its variable, its address, how to avoid it; or ""."""
    variable = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if variable is None or goes_direct(target) or _is_excepted(_host(target)):
        return ""
    host = _host(target)
    return f"through the proxy of {variable}={_without_password(os.environ[variable])}; no_proxy={host} avoids it"


def _host(target: str) -> str:
    """Return the host of "dns:///host:port", "ipv4:host:port" and the like, without the brackets of IPv6."""
    address = target.rpartition("/")[2]
    for scheme in ("dns:", "ipv4:", "ipv6:"):
        address = address.removeprefix(scheme)
    host, colon, _ = address.rpartition(":")
    if not colon or address.endswith("]") or (":" in host and not host.startswith("[")):
        host = address
    return host.strip("[]")


def _is_loopback(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def _is_excepted(host: str) -> bool:
    listed = next((os.environ[name] for name in _EXCEPTIONS if name in os.environ), "")
    return any(_matches(host.lower(), entry.strip().lower()) for entry in listed.split(",") if entry.strip())


def _matches(host: str, entry: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry)
    except ValueError:
        return host.endswith(entry)


def _without_password(proxy: str) -> str:
    parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme else parts.netloc.rpartition("@")[2]
