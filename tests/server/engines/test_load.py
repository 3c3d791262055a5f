"""Opening the engine of a choice."""

from pathlib import Path

import numpy as np
import pytest

from tests.bundle.sample import write_sample
from tests.server.engines.graphs import write_graph
from vitscope.bundle import CLASSIFY, open_bundle
from vitscope.server.engines.choose import Choice
from vitscope.server.engines.contract import Profile
from vitscope.server.engines.ladder import kind_named
from vitscope.server.engines.load import open_engine


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_has_the_identity_that_its_kind_predicts(tmp_path: Path, name: str) -> None:
    matrix = write_graph(tmp_path / "graph.onnx")
    bundle = open_bundle(write_sample(tmp_path / "models", graph=(tmp_path / "graph.onnx").read_bytes()))
    choice = Choice(kind_named(name), "f32", "f32", "", certified=True)
    engine = open_engine(bundle, CLASSIFY, choice, [Profile(1, 2), Profile(2, 1)], 3)
    assert engine.identity == choice.kind.identity(choice.precision)
    assert engine.profiles == (Profile(1, 2), Profile(2, 1))
    slot = engine.slot()
    slot.pixels[:] = 7
    for profile in range(2):
        np.testing.assert_allclose(slot.run(2, profile)["logits"], np.full((2, 3), 7) @ matrix, rtol=1e-5)
