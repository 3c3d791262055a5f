"""`vitscope explain`: draw why a model answered as it did, on the photo itself."""

import argparse
import sys
from functools import partial

from vitscope.client.commands.arguments import number
from vitscope.client.commands.drawing import add_layer_options, heads_of, layers_of
from vitscope.client.commands.explained import add_class_options, check_class_options, class_options
from vitscope.client.commands.inputs import Source
from vitscope.client.commands.pictures import add_photo_options, name_of, run
from vitscope.client.fields import enum_names
from vitscope.client.model import Model
from vitscope.client.pictures.explain import draw_explanation
from vitscope.client.pictures.photo import read_photo
from vitscope.client.request import Options
from vitscope.client.sync import Client
from vitscope.drawing import Drawing
from vitscope.help import Help
from vitscope.picture_options import add_out_option
from vitscope.v1 import maps_pb2


def main(argv: list[str] | None = None) -> int:
    """Return 0: drawn; 2: a wrong option, an unusable photo, no such model, or no server."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.method is None and class_options(arguments):
        arguments.method = "evidence"
    check_class_options(arguments, parser)
    return run("explain", arguments, partial(_draw, arguments))


def _draw(arguments: argparse.Namespace, client: Client, source: Source) -> Drawing:
    model = client.get_model(arguments.model, arguments.version)
    result = client.classify(source.image, **request_options(arguments, model))
    image = read_photo(source.image, result.geometry.image_size)
    smooth = arguments.upsampling == "bilinear"
    return draw_explanation(image, result, model, name_of(source), smooth, arguments.opacity)


def request_options(arguments: argparse.Namespace, model: Model) -> Options:
    """Return the options of the request. Raises ValueError for a model without maps."""
    # A server of before there were others does not list the only method.
    methods = model.methods or (("attention",) if model.has_attention else ())
    if not methods:
        raise ValueError(f"--model {model.name}: has no explanation method; accepted: a model that has one")
    of_layers = bool(arguments.layer or arguments.head)
    method = arguments.method or ("evidence" if "evidence" in methods and not of_layers else methods[0])
    options = Options(model=model.name, version=model.version, method=method)
    if asked := class_options(arguments):
        # Also of an improbable class the probability is shown.
        options["top_k"] = len(model.labels)
    options.update(asked)
    if method == "attention" or of_layers:
        options["attention"] = layers_of(arguments.layer)
        options["heads"] = heads_of(arguments.head)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope explain",
        formatter_class=Help,
        description="Draw why a model on the server answered as it did: the photo with what the model did not see in "
        "grey, the map, the map over the photo, the most probable classes, and what the map adds up to.",
    )
    parser.add_argument(
        "--method",
        choices=enum_names(maps_pb2.MapMethod, "MAP_METHOD"),
        help="how the map is made; `vitscope models NAME` lists the methods of a model (default: evidence, or "
        "else the first of them)",
    )
    add_class_options(parser)
    add_layer_options(parser)
    parser.add_argument(
        "--upsampling",
        choices=("bilinear", "nearest"),
        default="bilinear",
        help="over the photo: smooth, or the cells of the grid as they are (default: %(default)s)",
    )
    parser.add_argument(
        "--opacity",
        type=number(above=0, most=1),
        default=0.6,
        metavar="X",
        help="of the map over the photo, above 0 and up to 1 (default: %(default)s)",
    )
    add_out_option(parser, "explanation.png")
    add_photo_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
