"""`vitscope matrices`: draw one attention matrix, and what a patch attends to."""

import argparse
import sys
from functools import partial

from vitscope.client.commands.arguments import whole
from vitscope.client.commands.inputs import Source
from vitscope.client.commands.pictures import add_photo_options, name_of, run
from vitscope.client.pictures.matrices import draw_matrix
from vitscope.client.pictures.photo import read_photo
from vitscope.client.sync import Client
from vitscope.drawing import Drawing
from vitscope.help import Help
from vitscope.picture_options import add_out_option, add_patch_option, check_patch

_MOST = 2**31 - 1  # layers and heads are int32 and uint32 fields


def main(argv: list[str] | None = None) -> int:
    """Return 0: drawn; 2: a wrong option, an unusable photo, no such model, or no server."""
    arguments = _parser().parse_args(argv)
    return run("matrices", arguments, partial(_draw, arguments))


def _draw(arguments: argparse.Namespace, client: Client, source: Source) -> Drawing:
    explained = client.explain(
        source.image,
        model=arguments.model,
        version=arguments.version,
        layers=[arguments.layer],
        heads="all" if arguments.head is None else [arguments.head],
        top_k=1,
    )
    check_patch(arguments.patch, (explained.tokens.rows, explained.tokens.cols))
    image = read_photo(source.image, explained.geometry.image_size)
    (layer,) = explained.layers
    return draw_matrix(explained, layer, arguments.head, name_of(source), arguments.patch, image)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope matrices",
        formatter_class=Help,
        description="Draw an attention matrix of a model on the server for a photo: which token attends to which, in "
        "one layer and head. With --patch, draw what that patch attends to, and who attends to it, over the photo.",
    )
    parser.add_argument(
        "--layer",
        type=whole(-_MOST, _MOST),
        default=-1,
        metavar="N",
        help="encoder layer, from 0, or -1 for the last (default: the last)",
    )
    parser.add_argument(
        "--head", type=whole(0, _MOST), metavar="N", help="attention head, from 0 (default: the mean of all)"
    )
    add_patch_option(parser, "patch whose attention is drawn over the photo")
    add_out_option(parser, "matrices.png")
    add_photo_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
