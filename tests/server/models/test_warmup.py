from pathlib import Path

from server.engines.onnxruntime import OnnxRuntimeEngine
from server.models.warmup import measure, open_slots
from tests.server.engines.graphs import write_graph


def test_every_power_of_two_and_the_largest_batch_are_measured(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    engine = OnnxRuntimeEngine(tmp_path / "graph.onnx", 1, 6)
    slots = open_slots(engine, 2)
    assert len(slots) == 2
    seconds = measure(engine, slots)
    assert list(seconds) == [1, 2, 4, 6]
    assert all(0 < value < 1 for value in seconds.values())
