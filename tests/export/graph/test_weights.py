"""The shared weights file."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from vitscope.export.graph.weights import PAGE, write_graphs

WEIGHTS = "weights.bin"
LARGE, OTHER = np.arange(4096, dtype=np.float32).reshape(64, 64), np.ones((64, 65), np.float32)


def model(*weights: np.ndarray) -> ir.Model:
    """Make a graph x [N, 64] -> x @ w for each weight, with a doc string and a path of a machine."""
    names = [f"w{index}" for index in range(len(weights))]
    nodes = [onnx.helper.make_node("MatMul", ["x", name], [f"y{name}"], doc_string="/home/me") for name in names]
    nodes[0].metadata_props.add(key="trace", value="/home/me/model.py")
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["N", 64])],
        [
            onnx.helper.make_tensor_value_info(f"y{n}", 1, ["N", w.shape[1]])
            for n, w in zip(names, weights, strict=True)
        ],
        [onnx.numpy_helper.from_array(w, n) for n, w in zip(names, weights, strict=True)],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    return ir.serde.deserialize_model(made)


def test_equal_tensors_are_stored_once_and_small_ones_inline(tmp_path: Path) -> None:
    small = np.full((64, 2), 3.0, np.float32)
    write_graphs({tmp_path / "a.onnx": model(LARGE, small), tmp_path / "b.onnx": model(OTHER, LARGE)}, WEIGHTS)
    assert (tmp_path / WEIGHTS).stat().st_size == 4 * PAGE + OTHER.nbytes
    x = np.random.default_rng(0).random((3, 64), dtype=np.float32)
    for name, weights in (("a.onnx", (LARGE, small)), ("b.onnx", (OTHER, LARGE))):
        outputs = onnxruntime.InferenceSession(tmp_path / name).run(None, {"x": x})
        for found, weight in zip(outputs, weights, strict=True):
            np.testing.assert_allclose(found, x @ weight, rtol=1e-4)


def test_offsets_are_page_aligned_and_no_path_is_left(tmp_path: Path) -> None:
    write_graphs({tmp_path / "a.onnx": model(OTHER, LARGE)}, WEIGHTS)
    loaded = onnx.load(tmp_path / "a.onnx", load_external_data=False)
    offsets = [int(e.value) for t in loaded.graph.initializer for e in t.external_data if e.key == "offset"]
    assert len(offsets) == 2 and all(offset % PAGE == 0 for offset in offsets)
    assert b"/home/me" not in (tmp_path / "a.onnx").read_bytes()
