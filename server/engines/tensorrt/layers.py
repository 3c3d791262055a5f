"""The layers of an engine, and which of them are a graph's attention."""

import json
import re
from collections.abc import Iterable

# With detailed profiling verbosity the builder prints each layer of the finished engine like this.
_PRINTED = re.compile(r"^Name: (.+?), LayerType: ", re.MULTILINE)
# Multi-head attention in one kernel: both products and the softmax between them.
_FUSED = "_gemm_mha_v2"


def layers_in(text: str) -> list[str]:
    """Return the names of the engine layers that one verbose message of the builder prints, if it prints any."""
    return _PRINTED.findall(text)


def inspected(information: str) -> list[str]:
    """Return the names of the layers in what an IEngineInspector says of an engine as JSON.

    Without detailed verbosity it lists bare names. Raises ValueError for something else.
    """
    layers = json.loads(information)["Layers"]
    return [layer["Name"] if isinstance(layer, dict) else layer for layer in layers]


def fused_attention(layers: Iterable[str], ranges: int) -> int:
    """Return in how many of a graph's layers the whole attention is one kernel, given the engine's layers.

    An engine holds the graph once for each of its `ranges`; one that lost a fusion in any of them counts as less.
    """
    return sum(name.startswith(_FUSED) for name in layers) // ranges
