"""The declaration of an engine: each engine has one, in its own file, and the ladder lists them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitscope.bundle import Bundle, GraphName
from vitscope.server.engines.cache import EngineCache
from vitscope.server.engines.contract import Engine, Identity, Precision, Profile


@dataclass(frozen=True)
class EngineSpec:
    """What an engine is opened for: one graph of a bundle, at a precision, for batches up to `max_batch`.

    path: the ONNX file of that graph in that precision's variant. arithmetic: "f32" or "bf16", the type that the
    engine computes in where the graph says floating point; equal to the precision except for int8. cache: for what
    takes minutes to compile.
    """

    bundle: Bundle
    graph: GraphName
    path: Path
    precision: Precision
    arithmetic: Precision
    profiles: Sequence[Profile]
    max_batch: int
    cache: EngineCache


def _nothing_to_build(spec: EngineSpec) -> bool:
    return True


@dataclass(frozen=True)
class EngineKind:
    """An engine that the server can use.

    name: what operators, logs, metrics and certificates call it. precisions: best first.
    why_not: None where this machine can run the engine at a precision, else the reason in one sentence.
    identity: the identity that an opened engine would have on this machine. Call it only where `why_not` is None.
    profiles: the ways to divide so many threads, fewest streams first; none leaves a thread over.
    open: compile a graph. Raises what the engine raises for a graph that it cannot load.
    is_built: whether `open` takes seconds rather than minutes.
    gated: whether answers depend on the machine, as on a GPU: the gate compares them there, and the certificate of the
    exporting machine is not consulted.
    form_of: name of the engine whose graphs this one runs in another form. Whoever asks for that engine gets the
    faster of the two; this one cannot be asked for.
    """

    name: str
    precisions: tuple[Precision, ...]
    why_not: Callable[[Precision], str | None]
    identity: Callable[[Precision], Identity]
    profiles: Callable[[int], list[Profile]]
    open: Callable[[EngineSpec], Engine]
    is_built: Callable[[EngineSpec], bool] = _nothing_to_build
    gated: bool = False
    form_of: str | None = None

    @property
    def plain_form(self) -> str:
        """Name of the engine that runs the graphs as they are exported."""
        return self.form_of or self.name
