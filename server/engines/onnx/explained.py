"""The part of a graph that explains classes, which stays in float32: its sums cancel, and it is a small part."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from onnx import GraphProto, NodeProto

from vitscope.server.engines.classes import TARGETS

LOGITS = "logits"


@dataclass(frozen=True)
class Explained:
    """computed: the tensors of that part. read: what it reads of the other part in float32, by name, with new names."""

    computed: frozenset[str]
    read: Mapping[str, str]


def explained(graph: GraphProto, in_float32: Callable[[], Set[str]]) -> Explained:
    """Return that part of a graph that takes `target_class`, all that the logits do not need; nothing of others.

    in_float32: returns the names of the tensors that the graph computes in float32.
    """
    if TARGETS not in {value.name for value in graph.input}:
        return Explained(frozenset(), {})
    needed = _needed(graph.node, LOGITS)
    branch = [node for node in graph.node if needed.isdisjoint(node.output)]
    read = {name for node in branch for name in node.input}
    floats = read & needed & in_float32()
    return Explained(
        frozenset(name for node in branch for name in node.output if name),
        {name: f"{name}_explained" for name in floats},
    )


def _needed(nodes: Iterable[NodeProto], output: str) -> set[str]:
    """Return the names of all tensors that an output is made of, itself included. Nodes are in order."""
    needed = {output}
    for node in reversed(list(nodes)):
        if not needed.isdisjoint(node.output):
            needed.update(name for name in (*node.input, *node.output) if name)
    return needed
