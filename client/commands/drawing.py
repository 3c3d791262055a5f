"""Options of `vitscope classify` that say which maps are returned and how they are drawn: all that the API has."""

import argparse
import re
from collections.abc import Callable
from typing import Literal

from vitscope.client.commands.arguments import number, whole
from vitscope.client.commands.explained import (
    add_class_options,
    add_when_option,
    check_class_options,
    class_options,
)
from vitscope.client.fields import enum_names
from vitscope.client.request import Options, RenderingOptions
from vitscope.v1 import maps_pb2

MOST_SIGNED = 2**31 - 1  # layers and heads are int32 fields
SMALLEST, LARGEST = 32, 2048  # sides of a picture, as in maps.proto

# Attributes of the namespace that say which maps, and how pictures of them are drawn.
_MAPS = ("layer", "head", "method", "dtype", "when")
_DRAWN = ("kind", "colormap", "opacity", "size", "format", "upsampling")


def add_map_options(parser: argparse.ArgumentParser) -> None:
    maps = parser.add_argument_group("maps: what the model looked at")
    maps.add_argument(
        "--attention",
        metavar="OUT",
        help="write a picture of each map: to the file OUT, or into the folder OUT when there are several images or "
        "there is such a folder",
    )
    maps.add_argument("--maps", action="store_true", help="with --json: add the values of the maps")
    maps.add_argument(
        "--method",
        choices=enum_names(maps_pb2.MapMethod, "MAP_METHOD"),
        help="how maps are made: attention, the shares in the logit of the most probable class (cam), or why any class "
        "(evidence), whose ledger is printed; `vitscope models NAME` lists those of a model (default: attention where "
        "it has it)",
    )
    add_layer_options(maps)
    maps.add_argument(
        "--dtype",
        choices=enum_names(maps_pb2.DataType, "DATA_TYPE"),
        help="type of the values on the wire; smaller ones are rounded (default: float32)",
    )
    add_when_option(maps)
    add_class_options(parser)
    drawn = parser.add_argument_group("pictures, with --attention")
    drawn.add_argument(
        "--kind",
        choices=enum_names(maps_pb2.RenderingKind, "RENDERING_KIND"),
        help="the map over the photo, or alone over what the model saw of it (default: overlay)",
    )
    drawn.add_argument(
        "--colormap",
        choices=enum_names(maps_pb2.ColorMap, "COLOR_MAP"),
        help="colours (default: viridis; for evidence blue_orange)",
    )
    drawn.add_argument(
        "--opacity", type=number(above=0, most=1), metavar="X", help="of the map, above 0 and up to 1 (default: 0.5)"
    )
    drawn.add_argument(
        "--size",
        type=whole(SMALLEST, LARGEST),
        metavar="PX",
        help="longer side in pixels, 32 to 2048 (default: the photo's, within 224 to 1024)",
    )
    drawn.add_argument(
        "--format",
        choices=enum_names(maps_pb2.PictureFormat, "PICTURE_FORMAT"),
        help="of the files (default: by the name of OUT, otherwise png)",
    )
    drawn.add_argument(
        "--upsampling",
        choices=enum_names(maps_pb2.Upsampling, "UPSAMPLING"),
        help="smooth, or the cells of the grid as they are (default: bilinear)",
    )


def add_layer_options(group: argparse._ActionsContainer) -> None:
    """Add --layer and --head, which may be repeated."""
    group.add_argument(
        "--layer",
        type=_index(-MOST_SIGNED),
        action="append",
        metavar="N|all",
        help="encoder layer, from 0, or -1 for the last; may be repeated (default: the last)",
    )
    group.add_argument(
        "--head",
        type=_index(0),
        action="append",
        metavar="N|all",
        help="attention head, from 0; may be repeated (default: the mean of all)",
    )


def check_map_options(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Exit with a message where options do not go together."""
    if arguments.maps and not arguments.json:
        parser.error("--maps adds map values to JSON; add --json")
    check_class_options(arguments, parser)
    if (given := _given(arguments, _MAPS)) and not _asks_for_maps(arguments):
        parser.error(f"{given} which maps to return; add --attention OUT, or --json --maps")
    if (given := _given(arguments, _DRAWN)) and arguments.attention is None:
        parser.error(f"{given} how pictures are drawn; add --attention OUT")
    for name in ("layer", "head"):
        chosen = getattr(arguments, name) or ()
        if "all" in chosen and len(chosen) > 1:
            parser.error(f"--{name}: all, and {len(chosen) - 1} more; accepted: all alone, or numbers")


def map_options(arguments: argparse.Namespace, picture_format: str) -> Options:
    """Return the options of a request that ask for maps; none where the command does not."""
    if not _asks_for_maps(arguments):
        return Options()
    options = Options(attention=layers_of(arguments.layer), heads=heads_of(arguments.head))
    options.update(class_options(arguments))
    if arguments.when is not None:
        options["when"] = arguments.when
    if arguments.method is not None:
        options["method"] = arguments.method
    if arguments.dtype is not None:
        options["dtype"] = arguments.dtype
    if arguments.attention is not None:
        default = RenderingOptions()
        options["rendering"] = RenderingOptions(
            kind=arguments.kind or default.kind,
            color_map=arguments.colormap or default.color_map,
            opacity=arguments.opacity or default.opacity,
            size=arguments.size or default.size,
            format=picture_format,
            upsampling=arguments.upsampling or default.upsampling,
        )
    return options


def _asks_for_maps(arguments: argparse.Namespace) -> bool:
    """Return whether maps are returned: for pictures, for JSON, or for their ledger, which is printed."""
    printed = arguments.method == "evidence" and not arguments.json
    return arguments.attention is not None or arguments.maps or printed


def layers_of(chosen: list[int | Literal["all"]] | None) -> Literal["last", "all"] | list[int]:
    """Return the option `attention` of a request, by what --layer says."""
    if not chosen:
        return "last"
    return "all" if "all" in chosen else [one for one in chosen if one != "all"]


def heads_of(chosen: list[int | Literal["all"]] | None) -> Literal["all"] | list[int] | None:
    """Return the option `heads` of a request, by what --head says."""
    if not chosen:
        return None
    return "all" if "all" in chosen else [one for one in chosen if one != "all"]


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> str:
    """Return "--layer says", "--layer and --head say", or "" where none is given."""
    given = [f"--{name}" for name in names if getattr(arguments, name) is not None]
    if len(given) < 2:
        return f"{given[0]} says" if given else ""
    return f"{', '.join(given[:-1])} and {given[-1]} say"


def _index(least: int) -> Callable[[str], int | Literal["all"]]:
    def parse(text: str) -> int | Literal["all"]:
        if text == "all":
            return "all"
        if re.fullmatch(r"[+-]?[0-9]{1,12}", text) and least <= int(text) <= MOST_SIGNED:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a whole number from {least} to {MOST_SIGNED}, or all")

    return parse
