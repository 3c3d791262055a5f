"""The tests that every engine has to pass, on a real graph."""

import shutil
import threading
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, explained, write_explaining_graph, write_graph
from vitscope.server.engines import onnxruntime_cuda, processor
from vitscope.server.engines.classes import BEST, MOST_CLASSES, SIZES, padded
from vitscope.server.engines.contract import Engine, Identity, Precision, Profile, class_slot
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine
from vitscope.server.engines.openvino import OpenVinoEngine, why_not

Open = Callable[[Path, int], Engine]
PROFILES = (Profile(1, 2), Profile(2, 1))
ENGINES: dict[str, Open] = {
    "openvino/f32": lambda graph, batch: OpenVinoEngine(graph, "f32", "f32", PROFILES, batch),
    "openvino/bf16": lambda graph, batch: OpenVinoEngine(graph, "bf16", "bf16", PROFILES, batch),
    "onnxruntime/f32": lambda graph, batch: OnnxRuntimeEngine(graph, PROFILES, batch),
    # The same code as on a GPU, with bound tensors, on the processor.
    "onnxruntime-cuda/f32": lambda graph, batch: _bound(graph, "f32", batch),
    "onnxruntime-cuda/f16": lambda graph, batch: _bound(graph, "f16", batch),
}


def _bound(graph: Path, precision: Precision, batch: int) -> Engine:
    identity = Identity(onnxruntime_cuda.NAME, "1", precision, "CPU")
    return onnxruntime_cuda.OnnxRuntimeCudaEngine(graph, PROFILES, batch, identity, provider="CPUExecutionProvider")


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Engine, np.ndarray, float]:
    """Return an engine for batches up to 5, the graph's matrix, and the engine's tolerance."""
    if request.param.endswith("bf16") and (reason := why_not("bf16")):
        pytest.skip(reason)
    matrix = write_graph(tmp_path / "graph.onnx")
    engine = ENGINES[request.param](tmp_path / "graph.onnx", 5)
    assert str(engine.identity) == request.param
    return engine, matrix, {"f32": 1e-3, "f16": 0.3}.get(request.param.rpartition("/")[2], 3.0)


def random_images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def test_it_runs_the_first_rows_at_every_batch_size_in_every_profile(opened: tuple[Engine, np.ndarray, float]) -> None:
    engine, matrix, tolerance = opened
    slot = engine.slot()
    assert slot.pixels.shape == (5, HEIGHT, WIDTH, 3)
    assert slot.pixels.dtype == np.uint8
    for n, profile in product((1, 5, 3), (0, 1)):
        images = random_images(n, seed=n)
        slot.pixels[:n] = images
        logits = slot.run(n, profile)["logits"]
        assert logits.shape == (n, 3)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, images.mean((1, 2)) @ matrix, atol=tolerance)


def test_outputs_survive_the_next_run(opened: tuple[Engine, np.ndarray, float]) -> None:
    engine, _, _ = opened
    slot = engine.slot()
    slot.pixels[:] = 10
    first = slot.run(2)["logits"]
    kept = first.copy()
    slot.pixels[:] = 200
    assert not np.array_equal(slot.run(2)["logits"], kept)
    np.testing.assert_array_equal(first, kept)


def test_slots_run_at_the_same_time_without_mixing(opened: tuple[Engine, np.ndarray, float]) -> None:
    engine, matrix, tolerance = opened
    wrong: list[int] = []

    def work(number: int) -> None:
        slot = engine.slot()
        for turn in range(50):
            images = random_images(3, seed=number * 100 + turn)
            slot.pixels[:3] = images
            if not np.allclose(slot.run(3, turn % 2)["logits"], images.mean((1, 2)) @ matrix, atol=tolerance):
                wrong.append(turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("engine", ENGINES)
def test_overwriting_the_weights_file_changes_no_output(engine: str, models: Path, tmp_path: Path) -> None:
    if engine.endswith("bf16") and (reason := why_not("bf16")):
        pytest.skip(reason)
    graphs = shutil.copytree(models / "fashion" / "1" / "graphs", tmp_path / "graphs")
    slot = ENGINES[engine](graphs / "classify.onnx", 2).slot()
    slot.pixels[:] = np.random.default_rng(0).integers(0, 256, slot.pixels.shape, np.uint8)
    before = [slot.run(2, profile)["logits"] for profile in (0, 1)]
    weights = graphs / "weights.bin"
    with weights.open("r+b") as file:  # as cp and rsync --inplace do
        file.write(bytes(weights.stat().st_size))
    for profile in (0, 1):
        np.testing.assert_array_equal(slot.run(2, profile)["logits"], before[profile])


def test_onnxruntime_says_which_profiles_it_has(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    with pytest.raises(ValueError, match=r"streams=2, threads=2.*accepted: one stream, or streams of one thread"):
        OnnxRuntimeEngine(tmp_path / "graph.onnx", [Profile(2, 2)], 1)


def test_int8_is_offered_where_the_processor_has_dot_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "flags", lambda: frozenset({"avx2", "avx_vnni"}))
    assert why_not("int8") is None
    monkeypatch.setattr(processor, "flags", lambda: frozenset({"avx2", "avx512f"}))
    assert why_not("int8") == "the processor has no int8 dot products (VNNI, AMX or i8mm)"


def test_onnxruntime_on_a_gpu_says_what_is_missing_here() -> None:
    assert onnxruntime_cuda.why_not("bf16") == "onnxruntime is not used in bf16 on a GPU"
    assert "onnxruntime-gpu, installed in its place, has it" in str(onnxruntime_cuda.why_not("f16"))


def test_onnxruntime_never_falls_back_to_the_processor_in_silence(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    identity = Identity(onnxruntime_cuda.NAME, "1", "f32", "a GPU")
    refused = "could not use CUDAExecutionProvider"
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(RuntimeError, match=refused):
        onnxruntime_cuda.OnnxRuntimeCudaEngine(tmp_path / "graph.onnx", PROFILES, 1, identity)


@pytest.fixture(params=[name for name in ENGINES if name.endswith("f32")])
def explaining(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Engine, np.ndarray]:
    """Return an engine with the graph that explains classes, for batches up to 5, and the graph's matrix."""
    matrix = write_explaining_graph(tmp_path / "graph.onnx")
    return ENGINES[request.param](tmp_path / "graph.onnx", 5), matrix


def test_a_graph_that_explains_classes_is_asked_for_any_number_of_them(explaining: tuple[Engine, np.ndarray]) -> None:
    engine, matrix = explaining
    slot = class_slot(engine.slot())
    assert slot is not None
    assert (slot.classes.shape, slot.classes.dtype) == ((5, MOST_CLASSES), np.int64)
    random = np.random.default_rng(0)
    for n, columns, profile in ((1, 1, 0), (5, 6, 1), (3, 2, 0), (3, 11, 1), (2, 1, 1)):
        images, classes = random_images(n, seed=n), random.integers(-CLASSES, CLASSES, (n, columns))
        slot.pixels[:n], slot.classes[:n, :columns] = images, classes
        outputs = slot.run(n, profile, columns)
        evidence, chosen = explained(images, classes, matrix)
        np.testing.assert_array_equal(outputs["evidence_class"], chosen)
        np.testing.assert_allclose(outputs["evidence"], evidence, atol=1e-3)
        np.testing.assert_allclose(outputs["logits"], images.mean((1, 2)) @ matrix, atol=1e-3)


def test_unasked_it_explains_the_most_probable_class(explaining: tuple[Engine, np.ndarray]) -> None:
    engine, matrix = explaining
    slot = engine.slot()
    slot.pixels[:2] = images = random_images(2)
    outputs = slot.run(2)
    np.testing.assert_array_equal(outputs["evidence_class"], explained(images, np.full((2, 1), BEST), matrix)[1])


def test_other_graphs_have_no_classes(opened: tuple[Engine, np.ndarray, float]) -> None:
    assert class_slot(opened[0].slot()) is None


def test_numbers_of_classes_are_padded_to_a_few() -> None:
    assert [padded(count) for count in range(1, MOST_CLASSES + 1)] == [1, 2, *[6] * 4, *[11] * 5]
    assert all(padded(size) == size for size in SIZES)
    for count in (0, MOST_CLASSES + 1):
        with pytest.raises(ValueError, match="accepted: 1 to 11"):
            padded(count)
