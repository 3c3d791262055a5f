"""Opens the graphs of a verified bundle on the fastest engine: compiled, compared with the manifest and warmed up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from vitscope.bundle import CLASSIFY, FULL, Bundle, BundleError, CertificateEntry, GraphName
from vitscope.bundle.reader import ENGINES
from vitscope.server.engines.cache import EngineCache, user_folder
from vitscope.server.engines.choose import Choice, Wanted, choose
from vitscope.server.engines.contract import Engine
from vitscope.server.engines.gate import GateFailed, has_own, require
from vitscope.server.engines.load import is_built, open_engine
from vitscope.server.errors import NotReady
from vitscope.server.host.incidents import new_id, see_log
from vitscope.server.images.limits import Decoding
from vitscope.server.models.errors import LoadAbandoned, without_folder
from vitscope.server.models.key import ModelKey
from vitscope.server.models.measure import time_one_image
from vitscope.server.models.tuning import find_fastest
from vitscope.server.models.warmup import check_contract, open_slots, warm_up
from vitscope.server.scheduling.cost import CostModel
from vitscope.server.scheduling.lane import Lane, slots_needed

log = structlog.get_logger()

# A run that takes less than this share of the measured time means that the machine was busy when it was measured.
_BUSY_THEN = 0.7


@dataclass(frozen=True)
class EngineSettings:
    """Settings of loading: the wanted engine, its threads, the largest batch, the folder of the engine cache (None: the
    bundle's own, or the user's cache if that cannot be written to), the wanted way to pixels, and the seconds after
    which the unused graph `full` is freed (0: never)."""

    wanted: Wanted
    threads: int
    max_batch: int
    cache: Path | None = None
    decoding: Decoding = "scaled"
    idle_seconds: float = 0.0


class Loader:
    """Opens the graphs of one bundle on the engine that was measured to be the fastest.

    choice: that engine, with the reason. wait_for_build: wait for an engine that has to be built first, which takes
    minutes; if False, it is passed over and `postponed` is True. images: the operator's own, uint8 [M, H, W, 3], that
    every engine is compared on. Everything blocks; `stopping` is asked between runs. Raises NoEngine, LoadAbandoned,
    BundleError for a graph that differs from the manifest, and what an engine raises.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: EngineSettings,
        stopping: Callable[[], bool],
        wait_for_build: bool = True,
        images: np.ndarray | None = None,
    ) -> None:
        self._bundle, self._settings, self._stopping = bundle, settings, stopping
        self._wait_for_build, self._images = wait_for_build, images
        self.postponed = False
        self._cache = _cache(bundle, settings.cache)
        self.gates: dict[GraphName, CertificateEntry] = {}
        """Results of the gate by open graph, for engines that are gated."""
        self._excluded: dict[str, str] = {}
        self._choose()

    def lane(self, graph: GraphName) -> Lane:
        """Return a lane for one of the bundle's graphs, ready for work.

        The classify graph comes first and settles the engine. Raises NotReady for another graph that fails the gate on
        it, or whose files have changed since.
        """
        if graph != CLASSIFY:
            try:
                self._bundle.verify()  # it may be opened days after the classify graph
                return self._open(graph)
            except (BundleError, GateFailed) as error:
                raise NotReady(self._missing(graph, error)) from error
            except Exception as error:
                self._refuse_if_changed(graph, error)
                raise
        lane = self._first_lane()
        if self._was_busy(lane):
            log.warning("engines were measured on a busy machine; they are measured again", model=lane.name)
            lane.engine.close()
            del lane
            self._tune(recall=False)
            lane = self._first_lane()
        return lane

    def _refuse_if_changed(self, graph: GraphName, failure: Exception) -> None:
        """Raise NotReady if a graph failed to open because its files went meanwhile, as when a version is removed."""
        try:
            self._bundle.verify()
        except BundleError as error:
            raise NotReady(self._missing(graph, error)) from failure

    def _first_lane(self) -> Lane:
        """Return a lane for the classify graph, on the first engine that can be opened and passes its gate."""
        while True:
            try:
                return self._open(CLASSIFY)
            except Exception as error:
                if not self._may_pass_over(error):
                    raise
                self._pass_over(self.choice, error)
                self._choose()

    def _choose(self) -> None:
        """Choose the best engine that has not failed here. Raises NoEngine."""
        while True:
            self._choices = choose(self._bundle, self._settings.wanted, self._excluded)
            if not self._wait_for_build and not self._is_built(self._choices[0]):
                self.postponed = True
                self._excluded[str(self._choices[0])] = "it has to be built first, and takes over when it is"
                continue
            try:
                return self._tune(recall=True)
            except Exception as error:
                if not self._may_pass_over(error):
                    raise
                self._pass_over(self._choices[0], error)

    def _is_built(self, choice: Choice) -> bool:
        return is_built(self._bundle, CLASSIFY, choice, self._settings.max_batch, self._cache)

    def _may_pass_over(self, error: Exception) -> bool:
        """Return whether another engine may serve instead. On a GPU any failure may be the machine's, and there is
        another engine; on the processor only a failed gate is passed over."""
        if isinstance(error, GateFailed):
            return True
        return self._choices[0].kind.gated and not isinstance(error, LoadAbandoned)

    def _missing(self, graph: GraphName, error: Exception) -> str:
        key = ModelKey(self._bundle.manifest.name, self._bundle.manifest.version)
        why = without_folder(error, self._bundle.path)
        return f"model {key} has no {graph} graph on {self.choice}: {why}"

    def _pass_over(self, choice: Choice, error: Exception) -> None:
        """Go on without an engine. Callers see the reason in GetModel: they are told nothing that an engine says."""
        error_id = new_id()
        log.warning("engine passed over", engine=str(choice), reason=str(error), error_id=error_id)
        told = str(error) if isinstance(error, GateFailed) else see_log("it failed here", error_id)
        self._excluded[str(choice)] = told

    def _tune(self, recall: bool) -> None:
        settings = self._settings
        self._tuning = find_fastest(
            self._bundle, self._choices, settings.threads, settings.max_batch, self._cache, recall, self._stopping
        )
        choice = next(choice for choice in self._choices if str(choice) == self._tuning.engine)
        self.choice = replace(choice, reason="; ".join(filter(None, [choice.reason, self._tuning.reason])))

    def _open(self, graph: GraphName) -> Lane:
        profiles, max_batch = self._tuning.profiles, self._settings.max_batch
        if graph == FULL:  # its outputs are large: one image at a time, by all threads
            profiles, max_batch = profiles[:1], 1
        engine = open_engine(self._bundle, graph, self.choice, profiles, max_batch, self._cache)
        try:
            return self._prepared(graph, engine)
        except BaseException:
            engine.close()  # the next engine may need the GPU's memory
            raise

    def _prepared(self, graph: GraphName, engine: Engine) -> Lane:
        manifest = self._bundle.manifest
        slots = open_slots(engine, slots_needed(engine))
        check_contract(slots[0], manifest.graphs[graph], manifest)
        if self._is_gated(engine, graph):
            self.gates[graph] = require(engine, slots[0], self._bundle, graph, self._cache, self._images)
        warm_up(engine, slots)
        # The costs of a model's graphs differ by a few per cent, which the cost models learn as they run. Measuring
        # each graph would delay its first caller, and be wrong while other requests are served.
        timings = self._tuning.timings[: len(engine.profiles)]
        costs = [CostModel(timing.seconds) for timing in timings]
        return Lane(manifest.name, manifest.version, graph, engine, costs, slots)

    def _is_gated(self, engine: Engine, graph: GraphName) -> bool:
        """Return whether the engine has to pass the gate. Engines of the processor are certified with the bundle, and
        are gated only on images that an operator gave."""
        asked = self._images is not None or has_own(engine, self._bundle, graph, self._cache)
        return asked or self.choice.kind.gated

    def _was_busy(self, lane: Lane) -> bool:
        return time_one_image(lane.slots[0]) < _BUSY_THEN * lane.costs[0].measured[1]


def _cache(bundle: Bundle, asked: Path | None) -> EngineCache:
    """Return the cache in the folder that was asked for, else in the bundle, or the user's where there is one."""
    if asked:
        return EngineCache(asked)
    own = user_folder()
    return EngineCache(*([own] if own else []), in_bundle=bundle.path / ENGINES)
