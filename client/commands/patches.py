"""`vitscope patches`: draw a photo as the patches that a model reads."""

import argparse
import sys
from functools import partial

from vitscope.client.commands.inputs import Source
from vitscope.client.commands.pictures import add_photo_options, name_of, run
from vitscope.client.pictures.patches import draw_patches
from vitscope.client.pictures.photo import read_photo
from vitscope.client.sync import Client
from vitscope.drawing import Drawing
from vitscope.help import Help
from vitscope.picture_options import add_out_option, add_patch_option, check_patch


def main(argv: list[str] | None = None) -> int:
    """Return 0: drawn; 2: a wrong option, an unusable photo, no such model, or no server."""
    arguments = _parser().parse_args(argv)
    return run("patches", arguments, partial(_draw, arguments))


def _draw(arguments: argparse.Namespace, client: Client, source: Source) -> Drawing:
    """Ask the server where its model's grid lies on the photo, and draw it."""
    result = client.classify(source.image, model=arguments.model, version=arguments.version, top_k=1)
    model = client.get_model(result.model, result.version)
    check_patch(arguments.patch, (model.tokens.grid_rows, model.tokens.grid_cols))
    image = read_photo(source.image, result.geometry.image_size)
    return draw_patches(image, result, model, name_of(source), arguments.patch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope patches",
        formatter_class=Help,
        description="Draw a photo as a model on the server reads it: what is resized and cropped away, the patches, "
        "and the sequence of tokens that they become.",
    )
    add_patch_option(parser, "patch to outline and enlarge")
    add_out_option(parser, "patches.png")
    add_photo_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
