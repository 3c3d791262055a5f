"""Channels of a load test. Unlike those of a client they never retry a call, and each is a connection of its own."""

import json
from pathlib import Path
from typing import Any

import grpc

from vitscope.client.channel import MAX_MESSAGE_BYTES, target_of
from vitscope.client.errors import InvalidRequest
from vitscope.client.proxy import proxy_options
from vitscope.loadtest.options import OptionError
from vitscope.loadtest.tally import Outcome

SERVICE = "vitscope.v1.ClassifierService"
CLASSIFY, CLASSIFY_STREAM = f"/{SERVICE}/Classify", f"/{SERVICE}/ClassifyStream"
PUSHBACK_TRAILER = "grpc-retry-pushback-ms"

CHANNEL_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.enable_retries", 0),
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.use_local_subchannel_pool", 1),  # else equal channels share a connection
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]

# Codes whose message is the same for each failed request. The messages of others hold an id or a time, and a report
# would get one line for each request.
_SAME_MESSAGE = ("INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE")


def open_channel(server: str, tls_roots: Path | None) -> grpc.Channel:
    """Open a channel. Raises OptionError when the address or the file of certificates cannot be used."""
    try:
        target = target_of(server)
    except InvalidRequest as error:
        raise OptionError(error.message) from error
    options = [*CHANNEL_OPTIONS, *proxy_options(target)]
    if tls_roots is None:
        return grpc.insecure_channel(target, options)
    try:
        credentials = grpc.ssl_channel_credentials(tls_roots.read_bytes())
    except OSError as error:
        raise OptionError(f"--tls-roots: {tls_roots}: {error.strerror}") from error
    return grpc.secure_channel(target, credentials, options)


def failure(error: Any, seconds: float, lag: float) -> Outcome:
    """Return the outcome of a call that ended with a grpc.RpcError."""
    code = error.code().name
    pushback = dict(error.trailing_metadata() or ()).get(PUSHBACK_TRAILER)
    return Outcome(
        code,
        seconds,
        lag,
        pushback=int(pushback) / 1000 if pushback is not None and pushback.isdecimal() else None,
        message=error_text(code, error.details() or ""),
    )


def error_text(code: str, details: str) -> str:
    return f"{code}: {details}" if code in _SAME_MESSAGE and details else code
