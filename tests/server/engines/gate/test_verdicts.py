"""The gate's verdicts, and how long they are kept."""

from pathlib import Path

import numpy as np
import pytest

from tests.server.models.bundles import write_bundle
from vitscope.bundle import CLASSIFY, Bundle, open_bundle
from vitscope.server.engines.batches import buckets
from vitscope.server.engines.cache import EngineCache
from vitscope.server.engines.contract import Identity, Outputs, Profile
from vitscope.server.engines.gate import GateFailed, has_own, require
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine


class Skewed:
    """ONNX Runtime, with the logits of one batch size in reverse order."""

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


def test_an_accurate_engine_is_compared_once(tmp_path: Path, opened: Bundle) -> None:
    engine, cache = Skewed(opened.graph_path(CLASSIFY), None), EngineCache(tmp_path / "cache")
    found = require(engine, engine.slot(), opened, CLASSIFY, cache)
    assert found.passed
    assert found.engine == "skewed"
    runs = engine.runs
    assert runs > len(buckets(4))
    assert require(engine, engine.slot(), opened, CLASSIFY, cache) == found
    assert engine.runs == runs


def test_an_engine_that_is_wrong_at_one_batch_size_is_refused_each_time(tmp_path: Path, opened: Bundle) -> None:
    cache = EngineCache(tmp_path / "cache")
    for _ in range(2):
        engine = Skewed(opened.graph_path(CLASSIFY), wrong_at=2)
        with pytest.raises(GateFailed, match=r"on this machine: at batch 2, top-1 agrees on"):
            require(engine, engine.slot(), opened, CLASSIFY, cache)


def own_images(opened: Bundle, count: int = 9) -> np.ndarray:
    contract = opened.manifest.input
    return np.random.default_rng(1).integers(0, 256, (count, contract.height, contract.width, 3), np.uint8)


def test_a_verdict_on_own_images_takes_precedence_from_then_on(tmp_path: Path, opened: Bundle) -> None:
    engine, cache = Skewed(opened.graph_path(CLASSIFY), None), EngineCache(tmp_path / "cache")
    assert require(engine, engine.slot(), opened, CLASSIFY, cache).images == 32
    assert not has_own(engine, opened, CLASSIFY, cache)
    own = require(engine, engine.slot(), opened, CLASSIFY, cache, own_images(opened))
    assert (own.images, own.passed) == (9, True)
    assert has_own(engine, opened, CLASSIFY, cache)
    assert require(engine, engine.slot(), opened, CLASSIFY, cache) == own
    again = require(engine, engine.slot(), opened, CLASSIFY, cache, own_images(opened, 10))
    assert again.images == 10, "given images are always compared"
    assert require(engine, engine.slot(), opened, CLASSIFY, cache) == again


def test_an_engine_that_failed_on_own_images_is_refused_without_them(tmp_path: Path, opened: Bundle) -> None:
    cache = EngineCache(tmp_path / "cache")
    right, wrong = (Skewed(opened.graph_path(CLASSIFY), at) for at in (None, 4))
    assert require(right, right.slot(), opened, CLASSIFY, cache).passed
    with pytest.raises(GateFailed):
        require(wrong, wrong.slot(), opened, CLASSIFY, cache, own_images(opened))
    with pytest.raises(GateFailed, match=r"on this machine: at batch 4, top-1 agrees on"):
        require(right, right.slot(), opened, CLASSIFY, cache)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"engine": 1}'])
def test_a_verdict_that_cannot_be_read_is_found_anew(tmp_path: Path, opened: Bundle, content: bytes) -> None:
    class Planted(EngineCache):
        def read(self, key: object) -> bytes | None:
            return content

    engine = Skewed(opened.graph_path(CLASSIFY), None)
    assert require(engine, engine.slot(), opened, CLASSIFY, Planted(tmp_path / "cache")).images == 32
