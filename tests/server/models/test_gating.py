from pathlib import Path

import numpy as np
import pytest

from bundle import CLASSIFY, Bundle, open_bundle
from server.engines.cache import EngineCache
from server.engines.contract import Identity, Outputs, Profile
from server.engines.onnxruntime import OnnxRuntimeEngine
from server.engines.tensorrt.profiles import buckets
from server.models.gating import GateFailed, require
from tests.server.models.test_repository import bundle as write_bundle


class Skewed:
    """ONNX Runtime, with the logits of one batch size turned around."""

    identity = Identity("skewed", "1", "f16", "CPU")
    profiles = (Profile(1, 1),)

    def __init__(self, graph: Path, wrong_at: int | None) -> None:
        self._engine = OnnxRuntimeEngine(graph, self.profiles, 4)
        self.max_batch, self.wrong_at, self.runs = 4, wrong_at, 0

    def slot(self) -> "Skewed":
        self._slot = self._engine.slot()
        self.pixels = self._slot.pixels
        return self

    def run(self, n: int, profile: int = 0) -> Outputs:
        self.runs += 1
        logits = self._slot.run(n)["logits"]
        return {"logits": np.flip(logits, axis=-1) if n == self.wrong_at else logits}

    def close(self) -> None: ...


@pytest.fixture
def opened(tmp_path: Path) -> Bundle:
    return open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path))


def test_an_engine_that_answers_as_the_float32_graph_does_is_asked_once(tmp_path: Path, opened: Bundle) -> None:
    engine, cache = Skewed(opened.graph_path(CLASSIFY), None), EngineCache(tmp_path / "cache")
    found = require(engine, engine.slot(), opened, CLASSIFY, cache)
    assert found.passed
    assert found.engine == "skewed"
    asked = engine.runs
    assert asked > len(buckets(4))
    assert require(engine, engine.slot(), opened, CLASSIFY, cache) == found
    assert engine.runs == asked


def test_an_engine_that_is_wrong_at_one_batch_size_is_refused_each_time(tmp_path: Path, opened: Bundle) -> None:
    cache = EngineCache(tmp_path / "cache")
    for _ in range(2):
        engine = Skewed(opened.graph_path(CLASSIFY), wrong_at=2)
        with pytest.raises(GateFailed, match=r"on this machine: at batch 2, top-1 agrees on"):
            require(engine, engine.slot(), opened, CLASSIFY, cache)
