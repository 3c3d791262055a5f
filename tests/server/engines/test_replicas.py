"""One engine on several devices."""

from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import HEIGHT, WIDTH, write_graph
from vitscope.server.engines.contract import Engine, Profile, Status, Usage, status_of
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine
from vitscope.server.engines.replicas import Replicas


class Device(OnnxRuntimeEngine):
    """A stand-in for an engine on its own GPU."""

    def __init__(self, graph: Path, runs: int = 0) -> None:
        super().__init__(graph, [Profile(1, 1)], 2)
        self.slots, self.usage, self.closed = 0, Usage(runs=runs), False
        self.broken: str | None = None

    def status(self) -> Status:
        return Status(self.broken, self.usage, fused_attention=12)

    def slot(self):  # type: ignore[no-untyped-def]
        self.slots += 1
        return super().slot()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def devices(tmp_path: Path) -> list[Device]:
    write_graph(tmp_path / "graph.onnx")
    return [Device(tmp_path / "graph.onnx", runs) for runs in (3, 4)]


def test_slots_are_dealt_out_in_turn_and_all_of_them_run(devices: list[Device]) -> None:
    engine: Engine = Replicas(devices, [Profile(4, 1)])
    assert (engine.profiles, engine.max_batch) == ((Profile(4, 1),), 2)
    assert engine.identity.device == "2 × CPU"
    slots = [engine.slot() for _ in range(5)]
    assert [device.slots for device in devices] == [3, 2]
    for slot in slots:
        slot.pixels[:1] = np.full((1, HEIGHT, WIDTH, 3), 9, np.uint8)
    answers = [slot.run(1)["logits"] for slot in slots]
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_they_report_and_close_as_one(devices: list[Device]) -> None:
    engine = Replicas(devices, [Profile(2, 1)])
    assert status_of(engine) == Status(broken=None, usage=Usage(runs=7), fused_attention=12)
    devices[1].broken = "the second GPU has fallen off the bus"
    assert engine.status().broken == "the second GPU has fallen off the bus"
    engine.close()
    assert [device.closed for device in devices] == [True, True]


def test_engines_with_nothing_to_report_report_nothing_together(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    plain = OnnxRuntimeEngine(tmp_path / "graph.onnx", [Profile(1, 1)], 2)
    assert status_of(plain) == Replicas([plain, plain], [Profile(1, 1)]).status() == Status()
