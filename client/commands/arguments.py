"""Options and error messages shared by the subcommands that call a server."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from grpc import StatusCode

from vitscope.client.channel import DEFAULT_SERVER
from vitscope.client.errors import (
    SENT_BY_SERVER,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from vitscope.client.sync import DEFAULT_TIMEOUT, Client

MOST = 2**32 - 1  # versions and counts are uint32 fields
LONGEST_TIMEOUT = 86_400  # seconds; a day

# Arguments of `Client` by their name on the command line.
_FLAGS = {"server": "--server", "root_certificates": "--tls-roots"}


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server",
        default=DEFAULT_SERVER,
        metavar="HOST:PORT",
        help="server, or several separated by commas (default: %(default)s)",
    )
    group.add_argument(
        "--tls-roots", type=Path, metavar="FILE", help="use TLS, trusting the root certificates in FILE (PEM)"
    )
    group.add_argument(
        "--timeout",
        type=number(above=0, most=LONGEST_TIMEOUT),
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="longest wait for an answer, retries included (default: %(default)g)",
    )


def connect(arguments: argparse.Namespace) -> Client:
    """Create a client; no server is contacted yet. Raises InvalidRequest for an unusable address or file."""
    try:
        return Client(arguments.server, root_certificates=arguments.tls_roots, timeout=arguments.timeout)
    except InvalidRequest as error:
        field, colon, rest = error.message.partition(":")
        raise InvalidRequest(f"{_FLAGS.get(field, field)}{colon}{rest}") from error


def explain(error: ClientError, server: str) -> str:
    """Describe a failed call in one or two lines."""
    match error:
        case InvalidRequest() | NotFound():
            return error.message
        case Unavailable() if error.message.startswith(SENT_BY_SERVER):
            return error.message
        case Unavailable() | DeadlineExceeded():
            what = "does not answer" if isinstance(error, Unavailable) else "did not answer in time"
            return (
                f"{server} {what}: {error.message}\n"
                "Is a server running there? `make serve` or `vitscope serve MODELS` starts one; --server names another."
            )
    if error.code is StatusCode.UNIMPLEMENTED:
        return f"{server} is not a vitscope server of this version: {error.message}"
    return str(error)


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` to `most`; others raise argparse.ArgumentTypeError."""

    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]{1,12}", text) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a whole number from {least} to {most}")

    return parse


def number(*, above: float | None = None, least: float | None = None, most: float) -> Callable[[str], float]:
    """Return an argparse type for numbers above `above`, or from `least`, up to `most`; others raise as for `whole`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if value <= most and (above is None or value > above) and (least is None or value >= least):
            return value
        bound = f"above {above:g} and up to" if above is not None else f"from {least:g} to"
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a number {bound} {most:g}")

    return parse
