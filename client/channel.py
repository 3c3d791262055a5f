"""gRPC channels for sync and asyncio: addresses, load balancing, retries, message limits and TLS."""

import ipaddress
import json
import re
import socket
import ssl
from pathlib import Path

import grpc
from grpc import aio

from vitscope.client.errors import InvalidRequest
from vitscope.client.proxy import proxy_options, proxy_route

DEFAULT_SERVER = "localhost:8500"
DEFAULT_PORT = 8500
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

# gRPC silently reduces a larger number to this one.
MAX_ATTEMPTS = 5
INITIAL_BACKOFF, MAX_BACKOFF = 0.1, 2.0  # seconds

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:")

# A server that refuses sends `grpc-retry-pushback-ms`; gRPC then waits that long instead of its own backoff.
# ClassifyStream is not listed: its items are retried one by one (client/window.py).
# CANCELLED is what gRPC itself answers to a call that reached a closing port but no handler (grpc/grpc#41785). A call
# that this client cancels ends at once and is never retried.
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": "vitscope.v1.ClassifierService", "method": method}
                for method in ("Classify", "ListModels", "GetModel")
            ]
            + [{"service": "vitscope.v1.ExplainService", "method": "Explain"}],
            "retryPolicy": {
                "maxAttempts": MAX_ATTEMPTS,
                "initialBackoff": f"{INITIAL_BACKOFF}s",
                "maxBackoff": f"{MAX_BACKOFF}s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": [code.name for code in RETRIED],
            },
        }
    ],
}

_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A call larger than this is not retried; the default of 256 KiB is smaller than most photos.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
    # A name is looked up again only when a connection ends, and by default no sooner than 30 s after the last time.
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


def open_channel(server: str, root_certificates: Path | None = None) -> grpc.Channel:
    """Open a channel for sync calls: plain text, or TLS when a PEM file of root certificates is given.

    No connection is made yet. Raises InvalidRequest when the address or the file cannot be used.
    """
    target = target_of(server)
    options = [*_OPTIONS, *proxy_options(target)]
    if root_certificates is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, _credentials(root_certificates), options)


def open_async_channel(server: str, root_certificates: Path | None = None) -> aio.Channel:
    """Open a channel for asyncio, otherwise as `open_channel`. Call it in the event loop that uses the channel."""
    target = target_of(server)
    options = [*_OPTIONS, *proxy_options(target)]
    if root_certificates is None:
        return aio.insecure_channel(target, options)
    return aio.secure_channel(target, _credentials(root_certificates), options)


def route_of(server: str) -> str:
    """Return through which proxy of the environment calls to `server` go, for messages; "" for none."""
    return "" if "," in server else proxy_route(target_of(server))


def target_of(server: str) -> str:
    """Return the gRPC target for "host", "host:port" or "a:1,b:2"; return a target ("dns:///name:8500") unchanged.

    gRPC resolves a single name whenever a connection ends, which servers see to every minute or so, and sends calls
    round-robin to all its addresses. The names of a list are resolved once, here, because gRPC accepts only addresses
    in a list. The default port is 8500. Raises InvalidRequest.
    """
    if server.startswith(_SCHEMES):
        return server
    hosts = [_host_and_port(server, part.strip()) for part in server.split(",")]
    if len(hosts) == 1 and (address := hosts[0]):
        return f"dns:///{_join(*address)}"
    resolved = [(_resolve(server, host), port) for host, port in hosts]
    families = {ipaddress.ip_address(host).version for host, _ in resolved}
    if len(families) > 1:
        raise InvalidRequest(f"server: {server!r} mixes IPv4 and IPv6 addresses; accepted: a list of one kind")
    return f"ipv{families.pop()}:" + ",".join(_join(host, port) for host, port in resolved)


def _host_and_port(server: str, part: str) -> tuple[str, int]:
    host, colon, port = part.rpartition(":")
    if not colon or part.endswith("]"):
        host, port = part, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or "/" in host:
        raise InvalidRequest(
            f"server: {server!r} is not an address; accepted: host, host:port (port 1 to 65535), a comma-separated "
            f"list of these, or a gRPC target such as dns:///name:{DEFAULT_PORT}"
        )
    return host, int(port)


def _resolve(server: str, host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidRequest(f"server: {host!r} in {server!r} has no IPv4 address ({error})") from error
    return str(found[0][4][0])


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _credentials(root_certificates: Path) -> grpc.ChannelCredentials:
    """Read and check the file. gRPC accepts any bytes and reports unusable ones only when the first call fails."""
    accepted = "accepted: a PEM file of certificates"
    try:
        if root_certificates.exists() and not root_certificates.is_file():
            raise InvalidRequest(f"root_certificates: {root_certificates}: not a file; {accepted}")
        content = root_certificates.read_bytes()
        blocks = b"\n".join(_CERTIFICATE.findall(content)).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=blocks or "none")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = "no certificate in it can be read"
        if not isinstance(error, ssl.SSLError | ValueError) and error.strerror:
            reason = error.strerror
        raise InvalidRequest(f"root_certificates: {root_certificates}: {reason}; {accepted}") from error
    return grpc.ssl_channel_credentials(content)
