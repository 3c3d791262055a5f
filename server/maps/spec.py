"""The maps of one request, checked against the model."""

from dataclasses import dataclass

from vitscope.bundle import GraphName
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import Mode, Targets
from vitscope.server.maps.condition import ALWAYS, When
from vitscope.server.maps.options import Chosen, Direction, Dtype
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.maps.rollout import MEAN_OF_ALL, RolloutOptions


@dataclass(frozen=True, slots=True)
class MapSpec:
    """The maps to make of one image, for one model.

    method: name in the registry. graph: the cheapest graph with the outputs that the method needs. layers: ascending,
    each once. heads: likewise; None for one map per layer, the mean over all heads. targets: the classes to explain, of
    a graph that explains classes, in a mode. when: the condition under which the maps are made. token: index of the
    token that the maps are about; None for that of the token or tokens that the head reads. rollout: how it is made.
    """

    method: str
    graph: GraphName
    layers: tuple[int, ...]
    heads: tuple[int, ...] | None
    dtype: Dtype
    rendering: RenderingSpec | None
    targets: Targets | None = None
    mode: Mode = "integrated"
    when: When = ALWAYS
    token: int | None = None
    direction: Direction = "from"
    rollout: RolloutOptions = MEAN_OF_ALL


def choose(field: str, wanted: Chosen, count: int, lowest: int = 0) -> tuple[int, ...]:
    """Return indices below `count`, ascending, each once; empty if `wanted` is.

    lowest: the smallest accepted index; `-count` if negative ones count from the last. Raises InvalidRequest.
    """
    if wanted == "all":
        return tuple(range(count))
    if len(wanted) > count:
        raise InvalidRequest(field, f"{len(wanted):,} of them", f"each of the {count} once at most")
    for index in wanted:
        if not lowest <= index < count:
            raise InvalidRequest(field, str(index), f"{lowest} to {count - 1}")
    return tuple(sorted({index % count for index in wanted}))


def choose_last(wanted: Chosen, heads: Chosen, count: int, maps: str, no_heads: str) -> tuple[int]:
    """Return the index of the last of `count` layers, for a method that has one map of it.

    maps: the maps, in the words of an error. no_heads: why they are of no head. Raises InvalidRequest for other layers
    than the last, and for heads.
    """
    last = count - 1
    layers = choose("layers", wanted, count, lowest=-count) or (last,)
    if layers != (last,):
        raise InvalidRequest("layers", str(list(layers)), f"{last}; {maps}")
    if heads:
        raise InvalidRequest("heads", str(heads if heads == "all" else list(heads)), f"none; {no_heads}")
    return (last,)
