"""From a choice to a running engine."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from vitscope.bundle import Bundle, GraphName
from vitscope.server.engines.cache import NO_CACHE, EngineCache
from vitscope.server.engines.choose import Choice
from vitscope.server.engines.contract import Engine, Profile
from vitscope.server.engines.kind import EngineSpec
from vitscope.server.engines.ladder import default_kind, kind_named
from vitscope.server.host.cpu import give_way


def open_engine(
    bundle: Bundle,
    graph: GraphName,
    choice: Choice,
    profiles: Sequence[Profile],
    max_batch: int,
    cache: EngineCache = NO_CACHE,
) -> Engine:
    """Compile one graph of the bundle for batches up to `max_batch`; what takes minutes to compile is kept in `cache`.

    Raises what the engine raises for a graph that it cannot load.
    """
    spec = _spec(bundle, graph, choice, profiles, max_batch, cache)
    # Threads inherit the priority of the one that starts them.
    with ThreadPoolExecutor(1, thread_name_prefix="compile", initializer=give_way) as patient:
        return patient.submit(choice.kind.open, spec).result()


def is_built(bundle: Bundle, graph: GraphName, choice: Choice, max_batch: int, cache: EngineCache) -> bool:
    """Return whether `open_engine` takes seconds rather than minutes."""
    return choice.kind.is_built(_spec(bundle, graph, choice, (), max_batch, cache))


def preload(engine: str) -> None:
    """Import an engine, which takes a fraction of a second; for "auto" the one that most machines end up with."""
    kind = default_kind() if engine == "auto" else kind_named(engine)
    kind.why_not("f32")


def _spec(
    bundle: Bundle,
    graph: GraphName,
    choice: Choice,
    profiles: Sequence[Profile],
    max_batch: int,
    cache: EngineCache,
) -> EngineSpec:
    path = choice.graph_path(bundle, graph)
    return EngineSpec(bundle, graph, path, choice.precision, choice.arithmetic, profiles, max_batch, cache)
