"""Options and error messages shared by the subcommands that call a server."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
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

# Environment variables that name the server where --server does not; empty ones count as not set.
SERVER_VARIABLE, ADMIN_VARIABLE = "VITSCOPE_SERVER", "VITSCOPE_ADMIN_SERVER"

# Arguments of `Client` by their name on the command line.
_FLAGS = {"server": "--server", "root_certificates": "--tls-roots"}


def named_server(otherwise: str = DEFAULT_SERVER, variables: Sequence[str] = (SERVER_VARIABLE,)) -> str:
    """Return the server that the first of the environment variables names, or `otherwise`."""
    return next((os.environ[name] for name in variables if os.environ.get(name)), otherwise)


def add_server_option(
    group: argparse._ActionsContainer, otherwise: str = DEFAULT_SERVER, variables: Sequence[str] = (SERVER_VARIABLE,)
) -> None:
    """Add --server, whose default is that of `named_server`."""
    group.add_argument(
        "--server",
        default=named_server(otherwise, variables),
        metavar="HOST:PORT",
        help=f"server, or several separated by commas (default: ${', $'.join(variables)} or {otherwise})",
    )


def add_connection_options(
    parser: argparse.ArgumentParser,
    otherwise: str = DEFAULT_SERVER,
    variables: Sequence[str] = (SERVER_VARIABLE,),
    timeout: float = DEFAULT_TIMEOUT,
) -> None:
    group = parser.add_argument_group("connection")
    add_server_option(group, otherwise, variables)
    group.add_argument(
        "--tls-roots", type=Path, metavar="FILE", help="use TLS, trusting the root certificates in FILE (PEM)"
    )
    group.add_argument(
        "--timeout",
        type=number(above=0, most=LONGEST_TIMEOUT),
        default=timeout,
        metavar="SECONDS",
        help="longest wait for an answer, retries included (default: %(default)g)",
    )


def connect(arguments: argparse.Namespace) -> Client:
    """Create a client; no server is contacted yet. Raises InvalidRequest for an unusable address or file."""
    try:
        return Client(arguments.server, root_certificates=arguments.tls_roots, timeout=arguments.timeout)
    except InvalidRequest as error:
        raise InvalidRequest(renamed(error.message, arguments.server)) from error


def renamed(message: str, server: str) -> str:
    """Return an error of the client with the flag or the variable in the place of the argument that it names."""
    field, colon, rest = message.partition(":")
    if field == "server":
        variables = (name for name in (ADMIN_VARIABLE, SERVER_VARIABLE) if os.environ.get(name) == server)
        return f"{next(variables, '--server')}{colon}{rest}"
    return f"{_FLAGS.get(field, field)}{colon}{rest}"


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
                "Is a server running there? `make serve` or `vitscope serve MODELS` starts one; --server or "
                f"{SERVER_VARIABLE} names another."
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
