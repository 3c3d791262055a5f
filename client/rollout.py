"""Options that say how attention rollout is made, and which patch is meant, as messages."""

from typing import Any, TypedDict

from vitscope.client.errors import InvalidRequest
from vitscope.client.fields import enum_value, set_field
from vitscope.v1 import maps_pb2


class RolloutOptions(TypedDict, total=False):
    """How attention rollout is made; all are optional."""

    fusion: str
    """How the heads of a layer become one matrix: "mean" (default), "max" or "min"."""
    discard: float
    """Share of each row's patches that are set to 0, those with the least attention; 0, the default, to below 1."""
    from_layer: int
    """First layer of the product; negative ones count from the last. 0 is the default."""


def rollout_message(options: Any) -> maps_pb2.RolloutOptions:
    """Return how rollout is made, by the options of RolloutOptions among these. Raises InvalidRequest."""
    fusion = enum_value(maps_pb2.HeadFusion, "HEAD_FUSION", "fusion", options.get("fusion", "mean"))
    message = maps_pb2.RolloutOptions(fusion=fusion)
    set_field(message, "discard", options.get("discard", 0.0))
    set_field(message, "from_layer", options.get("from_layer", 0))
    return message


def patch_message(option: str, patch: Any) -> maps_pb2.Patch:
    """Return a patch given as (row, column). Raises InvalidRequest, which names `option`."""
    try:
        row, col = patch
        return maps_pb2.Patch(row=row, col=col)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{option}: {patch!r}; accepted: (row, column), whole numbers from 0") from error
