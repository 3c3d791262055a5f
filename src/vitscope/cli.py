"""The `vitscope` command: dispatches to the module of a subcommand, and imports no other."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from vitscope.client.commands.streams import OutputError, discard_output, flush, never_fail_to_encode

PARTLY, USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Subcommand:
    """A subcommand. `module` defines `main(argv: list[str]) -> int`; `extra` is the optional dependency it needs."""

    module: str
    extra: str
    help: str


SUBCOMMANDS = {
    "finetune": Subcommand(
        "vitscope.finetune.cli", "finetune", "fine-tune a Vision Transformer on a folder of labelled images"
    ),
    "export": Subcommand("vitscope.export.cli", "export", "turn a checkpoint into a bundle that can be served"),
    "serve": Subcommand("vitscope.server.__main__", "serve", "serve bundles over gRPC"),
    "engines": Subcommand("vitscope.server.tools.engines", "serve", "what this machine can run, and why not the rest"),
    "build-engine": Subcommand(
        "vitscope.server.tools.build_engine", "serve", "compile and check a bundle's engines ahead of time"
    ),
    "selftest": Subcommand(
        "vitscope.server.tools.selftest", "serve", "check and measure engines on this machine, in one table"
    ),
    "evaluate": Subcommand(
        "vitscope.evaluate.cli", "evaluate", "measure a checkpoint, bundle or served model on labelled images"
    ),
    "compare": Subcommand("vitscope.evaluate.compare_cli", "evaluate", "compare reports of `evaluate`, image by image"),
    "classify": Subcommand(
        "vitscope.client.commands.classify", "client", "classify images on a server, with attention overlays"
    ),
    "explain": Subcommand(
        "vitscope.client.commands.explain", "client", "draw why a model answered as it did, on the photo itself"
    ),
    "patches": Subcommand("vitscope.client.commands.patches", "client", "draw a photo cut into the patches of a model"),
    "matrices": Subcommand(
        "vitscope.client.commands.matrices", "client", "draw an attention matrix, and what a patch attends to"
    ),
    "report": Subcommand(
        "vitscope.client.commands.report", "client", "write what a model makes of photos as one HTML file"
    ),
    "models": Subcommand("vitscope.client.commands.models", "client", "list or describe the models of a server"),
    "admin": Subcommand("vitscope.client.commands.admin", "client", "load and unload the models of a server"),
    "positions": Subcommand(
        "vitscope.server.tools.positions", "serve", "draw the position embeddings of a bundle; needs no server"
    ),
    "filters": Subcommand(
        "vitscope.server.tools.filters", "serve", "draw the patch embedding of a bundle; needs no server"
    ),
    "loadtest": Subcommand("vitscope.loadtest.cli", "load", "put load on a server and judge it by latency objectives"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vitscope ARGV...` and return its exit status: 0 done, 1 partly done, 2 usage or set-up, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    never_fail_to_encode()
    try:
        try:
            return _dispatch(arguments)
        finally:  # also when argparse exits, for example after --help
            flush()
    except OutputError as error:
        discard_output()
        return _fail(f"vitscope: {error}")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return PARTLY


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"vitscope {_version()}")
        return 0
    if name not in SUBCOMMANDS:
        return _fail(f"vitscope: no subcommand {name!r}{_suggestion(name)}; `vitscope --help` lists them")
    return _run(name, arguments[1:])


def _run(name: str, arguments: list[str]) -> int:
    subcommand = SUBCOMMANDS[name]
    try:
        status: int = import_module(subcommand.module).main(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "vitscope":
            raise
        return _fail(
            f"vitscope {name} needs {missing}, which is not installed: pip install 'vitscope[{subcommand.extra}]'"
        )
    return status


def _help() -> str:
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  {name:<{width}}  {subcommand.help}" for name, subcommand in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "usage: vitscope [--help] [--version] SUBCOMMAND ...",
            "",
            "Serves fine-tuned Vision Transformers, and shows what they looked at.",
            "",
            *lines,
            "",
            "`vitscope SUBCOMMAND --help` tells the options of each.",
        ]
    )


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, SUBCOMMANDS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _version() -> str:
    try:
        return version("vitscope")
    except PackageNotFoundError:
        return "(run from its source tree, not installed)"


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return USAGE
