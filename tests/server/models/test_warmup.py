"""Engines are warmed up, and their graphs compared with the manifest."""

from pathlib import Path

import numpy as np
import pytest

from tests.bundle.sample import MANIFEST
from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, write_graph
from vitscope.bundle import BundleError, Graph, Output
from vitscope.server.engines.contract import Engine, Outputs, Profile
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine
from vitscope.server.models.warmup import check_contract, open_slots, warm_up
from vitscope.server.scheduling.lane import slots_needed

PROFILES = (Profile(1, 2), Profile(2, 1))
INPUT = MANIFEST.input.model_copy(update={"height": HEIGHT, "width": WIDTH})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    write_graph(tmp_path / "graph.onnx")
    return OnnxRuntimeEngine(tmp_path / "graph.onnx", PROFILES, 3)


def test_slots_are_filled_with_noise_and_are_one_more_than_can_run(engine: Engine) -> None:
    slots = open_slots(engine, slots_needed(engine))
    assert len(slots) == 3
    assert all(64 <= slot.pixels.min() < slot.pixels.max() < 192 for slot in slots)


def test_every_stream_of_every_profile_runs(engine: Engine) -> None:
    ran: list[tuple[int, int, int]] = []

    class Recorded:
        def __init__(self, number: int) -> None:
            self.number, self.slot = number, engine.slot()
            self.pixels = self.slot.pixels

        def run(self, n: int, profile: int = 0) -> Outputs:
            ran.append((profile, self.number, n))
            return self.slot.run(n, profile)

    warm_up(engine, [Recorded(number) for number in range(3)])
    assert sorted(ran) == [(0, 0, 1), (1, 0, 1), (1, 1, 1)]


def test_a_graph_that_agrees_with_the_manifest_passes(engine: Engine) -> None:
    graph = Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", CLASSES)),))
    check_contract(open_slots(engine, 1)[0], graph, MANIFEST.model_copy(update={"input": INPUT}))


@pytest.mark.parametrize(
    ("output", "height", "message"),
    [
        (
            Output(name="logits", shape=("N", CLASSES)),
            28,
            r"takes images of \(4, 6, 3\), the manifest says \(28, 6, 3\)",
        ),
        (Output(name="logits", shape=("N", 5)), HEIGHT, r"output logits is \(1, 3\) for one image"),
        (Output(name="attention", shape=("N", 5)), HEIGHT, "output attention is None for one image"),
    ],
)
def test_a_graph_that_differs_from_the_manifest_is_refused(
    engine: Engine, output: Output, height: int, message: str
) -> None:
    manifest = MANIFEST.model_copy(update={"input": INPUT.model_copy(update={"height": height})})
    with pytest.raises(BundleError, match=message):
        check_contract(open_slots(engine, 1)[0], Graph(file="graphs/classify.onnx", outputs=(output,)), manifest)


def test_a_graph_whose_outputs_are_not_finite_is_refused(engine: Engine) -> None:
    slot = open_slots(engine, 1)[0]

    class Broken:
        pixels = slot.pixels

        def run(self, n: int, profile: int = 0) -> Outputs:
            return {name: np.full_like(array, np.nan) for name, array in slot.run(n, profile).items()}

    graph = Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", CLASSES)),))
    with pytest.raises(BundleError, match="output logits is not finite on a grey image"):
        check_contract(Broken(), graph, MANIFEST.model_copy(update={"input": INPUT}))
