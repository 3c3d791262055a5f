"""What the commands that draw on one photo have in common: the photo, the picture and its file."""

import argparse
from collections.abc import Callable
from pathlib import Path

from vitscope.client.commands.arguments import add_connection_options, connect, explain, whole
from vitscope.client.commands.inputs import Source, find_sources
from vitscope.client.commands.streams import fail, printable
from vitscope.client.errors import ClientError
from vitscope.client.sync import Client
from vitscope.drawing import Drawing, save

OK, USAGE = 0, 2


def add_photo_options(parser: argparse.ArgumentParser) -> None:
    """Add the photo, the model and its version."""
    parser.add_argument("photo", metavar="PHOTO", help="image file, or - for stdin")
    parser.add_argument("--model", default="", help="model (default: the only one on the server)")
    parser.add_argument(
        "--version", type=whole(1), default=0, metavar="N", help="version of the model (default: the latest)"
    )
    add_connection_options(parser)


def one_photo(argument: str) -> Source:
    """Return the one image that an argument names. Raises ValueError for a folder or a pattern of several."""
    sources = find_sources([argument])
    if len(sources) > 1:
        raise ValueError(f"{argument}: {len(sources)} images; accepted: one")
    return sources[0]


def run(command: str, arguments: argparse.Namespace, draw: Callable[[Client, Source], Drawing]) -> int:
    """Draw a photo with what the server says of it, and write the file `--out`. Returns the exit status."""
    try:
        source = one_photo(arguments.photo)
        with connect(arguments) as client:
            drawing = draw(client, source)
    except ClientError as error:
        fail(command, explain(error, arguments.server))
        return USAGE
    except ValueError as error:
        fail(command, str(error))
        return USAGE
    try:
        save(drawing, arguments.out)
    except OSError as error:
        fail(command, f"--out {arguments.out}: {error.strerror}")
        return USAGE
    print(printable(str(arguments.out)))
    return OK


def name_of(source: Source) -> str:
    """Return the name of an image as a picture shows it, without its folders."""
    return printable(Path(source.name).name) if isinstance(source.image, Path) else source.name
