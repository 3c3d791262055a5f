"""`vitscope admin`: loads and unloads the models of a server that has its admin service on."""

import argparse
import re
import time
from typing import Any

import grpc
from rich.console import Console

from vitscope.client.channel import open_channel
from vitscope.client.commands.arguments import MOST, add_connection_options, explain
from vitscope.client.commands.models import as_json, listing
from vitscope.client.commands.output import Output
from vitscope.client.commands.streams import fail, printable
from vitscope.client.errors import ClientError, DeadlineExceeded, Unavailable, from_rpc_error
from vitscope.v1 import admin_pb2, admin_pb2_grpc, model_pb2

FAILED, USAGE = 1, 2
DEFAULT_SERVER = "localhost:8502"
# Seconds: building an engine for a GPU takes minutes.
DEFAULT_TIMEOUT = 900.0
_LOOK_AGAIN = 0.5
# Seconds in which a channel that is open says so.
_CONNECTED = 1.0

_DOING = {"list": "listing", "load": "loading", "unload": "unloading", "reload": "reloading"}


def main(argv: list[str] | None = None) -> int:
    """0: done; 1: the server could not do it; 2: a wrong option, no such model, or no admin service there."""
    arguments = _parser().parse_args(argv)
    try:
        with open_channel(arguments.server, arguments.tls_roots) as channel:
            try:
                models = _carry_out(admin_pb2_grpc.AdminServiceStub(channel), arguments)
            except Unavailable as error:
                if not _is_connected(channel):
                    raise
                fail("admin", f"{arguments.server}: {error.message}")
                return FAILED
    except ClientError as error:
        fail("admin", _explain(error, arguments))
        return FAILED if error.code is grpc.StatusCode.FAILED_PRECONDITION else USAGE
    shown = "\n".join(map(as_json, models)) if arguments.json else listing(models)
    Output().print(shown, soft_wrap=arguments.json)
    return 0


def _carry_out(stub: admin_pb2_grpc.AdminServiceStub, arguments: argparse.Namespace) -> list[model_pb2.ModelSummary]:
    """What the action was done to. Raises ClientError."""
    name, version = getattr(arguments, "model", ("", 0))
    call: Any
    match arguments.action:
        case "list":
            call = stub.ListVersions.future(admin_pb2.ListVersionsRequest(), timeout=arguments.timeout)
        case "load":
            call = stub.LoadModel.future(admin_pb2.LoadModelRequest(model=name, version=version), arguments.timeout)
        case "unload":
            call = stub.UnloadModel.future(admin_pb2.UnloadModelRequest(model=name, version=version), arguments.timeout)
        case _:
            call = stub.ReloadModel.future(admin_pb2.ReloadModelRequest(model=name, version=version), arguments.timeout)
    began, doing = time.monotonic(), printable(f"{_DOING[arguments.action]} {name}".rstrip())
    try:
        with Console(stderr=True, highlight=False, markup=False).status(doing) as status:
            while not _ended(call):
                status.update(f"{doing}, {time.monotonic() - began:.0f} s: {_progress(stub, name)}")
        reply = call.result()
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    return [reply.model] if arguments.action == "load" else list(reply.models)


def _ended(call: Any) -> bool:
    try:
        call.exception(timeout=_LOOK_AGAIN)
    except grpc.FutureTimeoutError:
        return False
    return True


def _is_connected(channel: grpc.Channel) -> bool:
    """Whether a server is there, so that it is the one that said UNAVAILABLE; gRPC says so too where none is."""
    try:
        grpc.channel_ready_future(channel).result(timeout=_CONNECTED)
    except grpc.FutureTimeoutError:
        return False
    return True


def _progress(stub: admin_pb2_grpc.AdminServiceStub, name: str) -> str:
    """What the server says of the versions that it loads."""
    try:
        models = stub.ListVersions(admin_pb2.ListVersionsRequest(), timeout=1).models
    except grpc.RpcError:
        return "the server is busy"
    loading = [m for m in models if m.name == name and m.state == model_pb2.MODEL_STATE_LOADING]
    return "; ".join(printable(f"{m.name}/{m.version} {m.state_detail}") for m in loading) or "the server is at it"


def _explain(error: ClientError, arguments: argparse.Namespace) -> str:
    where = arguments.server
    match error:
        case Unavailable():
            return (
                f"{where} does not answer: {error.message}\n"
                "The admin service is off unless the server is started with --admin-address, the address that --server has to name."
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
                "--admin-address, and name the same address with --server"
            )
        case grpc.StatusCode.FAILED_PRECONDITION:
            return error.message
    return explain(error, where)


def _model(text: str) -> tuple[str, int]:
    """NAME or NAME/VERSION; without a version it is 0."""
    name, slash, version = text.partition("/")
    if name and not slash:
        return name, 0
    if name and re.fullmatch(r"[1-9][0-9]{0,9}", version) and int(version) <= MOST:
        return name, int(version)
    raise argparse.ArgumentTypeError(f"{text!r}; accepted: NAME or NAME/VERSION, such as fashion/2")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope admin",
        description="Load and unload the models of a vitscope server that was started with --admin-address.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, text, without in (
        ("list", "what the server serves, and what else is in its models folder", ""),
        ("load", "load a version from the models folder", "the latest there"),
        ("unload", "serve a version no more, until it is loaded or its files change", "all of the model"),
        ("reload", "load a version anew, in the place of the one that serves", "all of the model that serve"),
    ):
        sub = actions.add_parser(action, help=text, description=text[0].upper() + text[1:] + ".")
        if without:
            sub.add_argument("model", type=_model, metavar="NAME[/VERSION]", help=f"without a version: {without}")
        sub.add_argument("--json", action="store_true", help="print the messages as JSON, one a line")
        add_connection_options(sub)
        sub.set_defaults(server=DEFAULT_SERVER, timeout=DEFAULT_TIMEOUT)
    return parser
