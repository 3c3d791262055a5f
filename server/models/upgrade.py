"""Building the best engine for a model beside the one that serves it."""

import asyncio
from collections.abc import Callable

from vitscope.bundle import CLASSIFY, FLOATING, Bundle
from vitscope.server.engines.choose import Choice, NoEngine
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.key import ModelKey
from vitscope.server.models.lanes import GraphLanes
from vitscope.server.models.loader import EngineSettings, Loader
from vitscope.server.scheduling.scheduler import Scheduler


async def open_better(
    bundle: Bundle,
    serving: Choice,
    settings: EngineSettings,
    scheduler: Scheduler,
    stopping: Callable[[], bool],
) -> GraphLanes:
    """Return lanes for the graphs of `bundle`, but those that explain, on a better engine than `serving`.

    Building it may take minutes.
    Raises NoEngine if there is no better one, LoadAbandoned once `stopping` returns True, BundleError if the files have
    changed since they were verified, and what an engine raises. Nothing stays open then.
    """
    key = ModelKey(bundle.manifest.name, bundle.manifest.version)

    def proceed() -> None:
        if stopping():
            raise LoadAbandoned(f"{key} is being unloaded")

    await asyncio.to_thread(bundle.verify, proceed)
    loader = await asyncio.to_thread(Loader, bundle, settings, stopping)
    lanes = GraphLanes(key, loader, scheduler, settings.idle_seconds)
    try:
        # One after another: while it opens the first graph, the loader may fall back to the next engine.
        # Those that explain are opened when they are asked for.
        graphs = bundle.manifest.graphs.keys() - FLOATING
        for graph in sorted(graphs, key=lambda name: name != CLASSIFY):
            _require_another(loader.choice, serving)
            await lanes.open(graph)
        _require_another(loader.choice, serving)
        if stopping():
            raise LoadAbandoned(f"{key} is being unloaded")
    except asyncio.CancelledError:
        lanes.free()
        raise
    except Exception:
        await lanes.retire()
        raise
    return lanes


def _require_another(found: Choice, serving: Choice) -> None:
    if str(found) == str(serving):
        raise NoEngine(found.reason)
