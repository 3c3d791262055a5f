"""Options of `vitscope classify` that say whose attention is shown, and how rollout is made."""

import argparse

from vitscope.client.commands.arguments import number, whole
from vitscope.client.fields import enum_names
from vitscope.client.request import Options
from vitscope.picture_options import add_patch_option
from vitscope.v1 import maps_pb2

TOKEN_OPTIONS = ("patch", "direction", "fusion", "discard", "from_layer")
"""Their names among the arguments, and in `Options`."""

_MOST = 2**31 - 1  # layers are int32 fields


def add_token_options(group: argparse._ActionsContainer) -> None:
    add_patch_option(group, "show the attention of this patch, not of the class token")
    group.add_argument(
        "--direction",
        choices=enum_names(maps_pb2.AttentionDirection, "ATTENTION_DIRECTION"),
        help="with --patch: what it attends to (from), or who attends to it (to) (default: from)",
    )
    group.add_argument(
        "--fusion",
        choices=enum_names(maps_pb2.HeadFusion, "HEAD_FUSION"),
        help="rollout: how the heads of a layer become one (default: mean)",
    )
    group.add_argument(
        "--discard",
        type=number(least=0, most=1),
        metavar="X",
        help="rollout: share of the patches with the least attention that are left out, 0 to below 1 (default: 0)",
    )
    group.add_argument(
        "--from-layer",
        type=whole(-_MOST, _MOST),
        metavar="N",
        help="rollout: the layer that it begins with (default: 0)",
    )


def token_options(arguments: argparse.Namespace) -> Options:
    """Return those that were given."""
    options = Options()
    if arguments.patch is not None:
        options["patch"] = arguments.patch
    if arguments.direction is not None:
        options["direction"] = arguments.direction
    if arguments.fusion is not None:
        options["fusion"] = arguments.fusion
    if arguments.discard is not None:
        options["discard"] = arguments.discard
    if arguments.from_layer is not None:
        options["from_layer"] = arguments.from_layer
    return options
