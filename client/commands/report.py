"""`vitscope report`: write what a model makes of photos as one HTML file that opens without a server."""

import argparse
import sys
from pathlib import Path

from vitscope.client.commands.arguments import add_connection_options, connect, explain, whole
from vitscope.client.commands.inputs import find_sources
from vitscope.client.commands.streams import fail, printable
from vitscope.client.errors import ClientError
from vitscope.client.report.page import page
from vitscope.client.report.record import Photo, inside_bytes, record
from vitscope.client.sync import Client
from vitscope.help import Help

OK, USAGE = 0, 2
_TIMEOUT = 120.0
"""Seconds: the graph of the inside of the encoder is loaded when it is first asked for."""

_MOST = 32 * 2**20
"""The first photos have what is inside of the encoder, as many as take no more than so many bytes; one at least."""


def main(argv: list[str] | None = None) -> int:
    """Return 0: written; 2: a wrong option, an unusable photo, no such model, or no server."""
    arguments = _parser().parse_args(argv)
    try:
        with connect(arguments) as client:
            model = client.get_model(arguments.model, arguments.version)
            text = page(model, _photos(arguments, client))
    except ClientError as error:
        fail("report", explain(error, arguments.server))
        return USAGE
    except OSError as error:
        fail("report", f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return USAGE
    except ValueError as error:
        fail("report", str(error))
        return USAGE
    try:
        arguments.out.write_text(text, encoding="utf-8")
    except OSError as error:
        fail("report", f"--out {arguments.out}: {error.strerror}")
        return USAGE
    print(f"{printable(str(arguments.out))} ({len(text.encode()) / 2**20:.1f} MiB)")
    return OK


def _photos(arguments: argparse.Namespace, client: Client) -> list[Photo]:
    """Ask about all photos. Names that occur twice get a number."""
    model, found, names = client.get_model(arguments.model, arguments.version), list[Photo](), set[str]()
    room = _MOST // max(1, inside_bytes(model))
    for source in find_sources(arguments.photos):
        name = short = printable(str(source.relative))
        while name in names:
            name = f"{short} ({len(names) + 1})"
        names.add(name)
        found.append(record(client, model, source, name, len(found) < max(1, room)))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope report",
        formatter_class=Help,
        description="Write what a model on the server makes of photos as one HTML file: the attention explorer with "
        "all that it shows of them, to be opened without a server. Of several photos it begins with an overview.",
    )
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="image files, folders or patterns, or - for stdin")
    parser.add_argument("--model", default="", help="model (default: the only one on the server)")
    parser.add_argument(
        "--version", type=whole(1), default=0, metavar="N", help="version of the model (default: the latest)"
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("report.html"), metavar="FILE", help="(default: %(default)s)"
    )
    add_connection_options(parser, timeout=_TIMEOUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
