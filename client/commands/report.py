"""`vitscope report`: write what a model makes of photos as one HTML file that opens without a server."""

import argparse
import sys
from pathlib import Path

from vitscope.client.commands.arguments import add_connection_options, connect, explain, whole
from vitscope.client.commands.inputs import find_sources
from vitscope.client.commands.streams import fail, printable
from vitscope.client.errors import ClientError, InvalidImage
from vitscope.client.model import Model
from vitscope.client.report.page import page
from vitscope.client.report.record import Photo, inside_bytes, record
from vitscope.client.sync import Client
from vitscope.help import Help
from vitscope.whole_files import write_whole

OK, FAILED, USAGE = 0, 1, 2
_TIMEOUT = 120.0
"""Seconds: the graph of the inside of the encoder is loaded when it is first asked for."""

_MOST = 32 * 2**20
"""The first photos have what is inside of the encoder, as many as take no more than so many bytes; one at least."""


def main(argv: list[str] | None = None) -> int:
    """Return 0: written; 1: written without some photos that cannot be used; 2: wrong option, no photo, no server."""
    arguments = _parser().parse_args(argv)
    try:
        with connect(arguments) as client:
            model, photos, failed = _photos(arguments, client)
        if not photos:
            return USAGE
        text = page(model, photos)
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
        write_whole(arguments.out, text.encode())
    except OSError as error:
        fail("report", f"--out {arguments.out}: {error.strerror}")
        return USAGE
    print(f"{printable(str(arguments.out))} ({len(text.encode()) / 2**20:.1f} MiB)")
    return FAILED if failed else OK


def _photos(arguments: argparse.Namespace, client: Client) -> tuple[Model, list[Photo], int]:
    """Ask about all photos. Returns the model, those that can be used, and how many cannot, each of which is named.

    Names that occur twice get a number.
    """
    model, found, names = client.get_model(arguments.model, arguments.version), list[Photo](), set[str]()
    room, failed = _MOST // max(1, inside_bytes(model)), 0
    for source in find_sources(arguments.photos):
        name = short = printable(str(source.relative))
        while name in names:
            name = f"{short} ({len(names) + 1})"
        names.add(name)
        try:
            found.append(record(client, model, source, name, len(found) < max(1, room)))
        except (InvalidImage, OSError) as error:
            failed += 1
            fail("report", f"{source.name}: {error.strerror if isinstance(error, OSError) else error.message}")
    return model, found, failed


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
