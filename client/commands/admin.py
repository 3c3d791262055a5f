"""`vitscope admin`: load and unload the models of a server that has its admin service on."""

import argparse
import re
import time
from concurrent.futures import ThreadPoolExecutor, wait

import grpc
from rich.console import Console

from vitscope.client.admin import DEFAULT_SERVER, DEFAULT_TIMEOUT, Admin
from vitscope.client.channel import open_channel
from vitscope.client.commands.arguments import (
    ADMIN_VARIABLE,
    MOST,
    SERVER_VARIABLE,
    add_connection_options,
    explain,
    renamed,
)
from vitscope.client.commands.models import json_lines, listing
from vitscope.client.commands.output import Output
from vitscope.client.commands.streams import fail, printable
from vitscope.client.errors import ClientError, DeadlineExceeded, Unavailable
from vitscope.client.model import ModelSummary
from vitscope.help import Help

FAILED, USAGE = 1, 2
_POLL_SECONDS = 0.5
_CONNECT_SECONDS = 1.0

_DOING = {"list": "listing", "load": "loading", "unload": "unloading", "reload": "reloading"}


def main(argv: list[str] | None = None) -> int:
    """Return 0: done; 1: the server could not do it; 2: a wrong option, no such model, or no admin service there."""
    arguments = _parser().parse_args(argv)
    try:
        models = _run(arguments)
    except ClientError as error:
        if isinstance(error, Unavailable) and _is_reachable(arguments):
            fail("admin", f"{arguments.server}: {error.message}")
            return FAILED
        fail("admin", _explain(error, arguments))
        return FAILED if error.code is grpc.StatusCode.FAILED_PRECONDITION else USAGE
    Output().print(json_lines(models) if arguments.json else listing(models), soft_wrap=arguments.json)
    return 0


def _run(arguments: argparse.Namespace) -> list[ModelSummary]:
    """Carry out the action and show its progress. Raises ClientError."""
    # Admin is closed before the thread is joined: after Ctrl-C this is what ends the call.
    with (
        ThreadPoolExecutor(1) as executor,
        Admin(arguments.server, root_certificates=arguments.tls_roots, timeout=arguments.timeout) as admin,
    ):
        name, version = getattr(arguments, "model", ("", 0))
        began, doing = time.monotonic(), printable(f"{_DOING[arguments.action]} {name}".rstrip())
        with Console(stderr=True, highlight=False, markup=False).status(doing) as status:
            call = executor.submit(_perform, admin, arguments.action, name, version)
            while wait([call], timeout=_POLL_SECONDS).not_done:
                status.update(f"{doing}, {time.monotonic() - began:.0f} s: {_progress(admin, name)}")
        return call.result()


def _perform(admin: Admin, action: str, name: str, version: int) -> list[ModelSummary]:
    match action:
        case "list":
            return admin.list_versions()
        case "load":
            return [admin.load(name, version)]
        case "unload":
            return admin.unload(name, version)
    return admin.reload(name, version)


def _is_reachable(arguments: argparse.Namespace) -> bool:
    """Return True when a server is there, so that UNAVAILABLE is its own answer; gRPC reports it too when none is."""
    with open_channel(arguments.server, arguments.tls_roots) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True


def _progress(admin: Admin, name: str) -> str:
    """Return the state of the versions that the server is loading, in its own words."""
    try:
        models = admin.list_versions(timeout=1)
    except ClientError:
        return "the server is busy"
    loading = [model for model in models if model.name == name and model.state == "loading"]
    return "; ".join(printable(f"{m.name}/{m.version} {m.state_detail}") for m in loading) or "the server is at it"


def _explain(error: ClientError, arguments: argparse.Namespace) -> str:
    where = arguments.server
    match error:
        case Unavailable():
            return (
                f"{where} does not answer: {error.message}\n"
                "The admin service is off unless the server is started with --admin-address, "
                f"the address that --server or {ADMIN_VARIABLE} has to name."
            )
        case DeadlineExceeded():
            return (
                f"{where} was not done within {arguments.timeout:g} s (--timeout), and goes on; "
                "`vitscope admin list` tells how far it is"
            )
    match error.code:
        case grpc.StatusCode.UNIMPLEMENTED:
            return (
                f"{where} has no admin service: it is off, or on an address of its own; start the server with "
                f"--admin-address, and name the same address with --server or {ADMIN_VARIABLE}"
            )
        case grpc.StatusCode.FAILED_PRECONDITION:
            return error.message
    return renamed(explain(error, where), where)


def _model(text: str) -> tuple[str, int]:
    """Parse NAME or NAME/VERSION; without a version it is 0."""
    name, slash, version = text.partition("/")
    if name and not slash:
        return name, 0
    if name and re.fullmatch(r"[1-9][0-9]{0,9}", version) and int(version) <= MOST:
        return name, int(version)
    raise argparse.ArgumentTypeError(f"{text!r}; accepted: NAME or NAME/VERSION, such as fashion/2")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope admin",
        formatter_class=Help,
        description="Load and unload the models of a vitscope server that was started with --admin-address.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, text, without in (
        ("list", "what the server serves, and what else is in its models folder", ""),
        ("load", "load a version from the models folder", "the latest there"),
        ("unload", "serve a version no more, until it is loaded or its files change", "all of the model"),
        ("reload", "load a version anew, in the place of the one that serves", "all of the model that serve"),
    ):
        sub = actions.add_parser(action, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=Help)
        if without:
            sub.add_argument("model", type=_model, metavar="NAME[/VERSION]", help=f"without a version: {without}")
        sub.add_argument("--json", action="store_true", help="print the messages as JSON, one a line")
        add_connection_options(sub, DEFAULT_SERVER, (ADMIN_VARIABLE, SERVER_VARIABLE), DEFAULT_TIMEOUT)
    return parser
