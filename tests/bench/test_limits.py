"""The limits of decoding and inference, measured on a tiny model."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from bench.limits import EngineSetup, Rate, back_to_back, combined_rate, decode_rate, engine_rate, setups
from bench.models import Model
from bench.noop import noop_graph, noop_model
from bench.photos import photo_jpegs


def test_back_to_back_is_what_one_after_the_other_gives() -> None:
    assert back_to_back(100, 100) == pytest.approx(50)
    assert back_to_back(10, 1e9) == pytest.approx(10)


def test_every_number_of_streams_is_tried_with_every_batch() -> None:
    rows = setups()
    assert rows[0][0].streams == 1
    assert all([setup.batch for setup in row] == [1, 2, 4, 8, 16] for row in rows)


def test_the_limits_of_a_real_model(model: Model) -> None:
    jpegs = photo_jpegs()[:2]
    one, four = (engine_rate(model.graph, EngineSetup(1, batch), 0.2) for batch in (1, 4))
    for rate in (one, four):
        assert isinstance(rate, Rate) and rate.images > 0 and rate.seconds > 0
    assert decode_rate(model.bundle.path, jpegs, 0.2, threads=1).images > 1
    together = combined_rate(model.bundle.path, model.graph, jpegs, EngineSetup(1, 2), 0.3)
    assert together.images > 0


def test_the_noop_graph_answers_zeros_for_any_batch(tmp_path: Path) -> None:
    noop_graph(tmp_path / "noop.onnx", side=8, labels=3)
    session = onnxruntime.InferenceSession(tmp_path / "noop.onnx")
    for batch in (1, 5):
        (logits,) = session.run(None, {"pixels": np.full((batch, 8, 8, 3), 255, np.uint8)})
        assert logits.shape == (batch, 3) and logits.dtype == np.float32 and not logits.any()


def test_the_noop_model_is_a_sound_bundle_and_is_made_once(model: Model) -> None:
    noop = noop_model(model)
    assert noop.bundle.manifest.labels == model.bundle.manifest.labels
    assert not noop.bundle.manifest.has_attention
    made = noop.graph.stat().st_mtime_ns
    assert noop_model(model).graph.stat().st_mtime_ns == made
