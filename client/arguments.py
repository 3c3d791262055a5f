"""Options that every subcommand which calls a server has, and what a failed call looks like on the command line."""

import argparse
from pathlib import Path

from grpc import StatusCode

from client.channel import DEFAULT_SERVER
from client.errors import ClientError, DeadlineExceeded, InvalidRequest, NotFound, Unavailable
from client.sync import DEFAULT_TIMEOUT, Client


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
        type=positive,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="longest wait for an answer, retries included (default: %(default)g)",
    )


def connect(arguments: argparse.Namespace) -> Client:
    """Raises InvalidRequest for an unusable address; no server is contacted yet."""
    return Client(arguments.server, root_certificates=arguments.tls_roots, timeout=arguments.timeout)


def explain(error: ClientError, server: str) -> str:
    """One or two lines for a person."""
    match error:
        case InvalidRequest() | NotFound():
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


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a number above 0")
    return value
