"""Writing graphs that share one external weights file."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

# The ONNX format asks for page-aligned offsets, so that engines can map the file. Smaller tensors stay inline.
PAGE = 4096


def write_graphs(graphs: dict[Path, ir.Model], weights: str) -> None:
    """Write each model to its path, and all large tensors to the file `weights` in the same folder, equal ones once.

    The files depend on the models alone: stack traces and documentation, which hold paths of this machine, are removed,
    and tensors are in the order of their first use.
    """
    folders = {path.parent for path in graphs}
    assert len(folders) == 1, "graphs that share weights lie in one folder"
    folder = folders.pop()
    folder.mkdir(parents=True, exist_ok=True)
    offsets: dict[bytes, int] = {}
    with (folder / weights).open("wb") as file:
        for model in graphs.values():
            ClearMetadataAndDocStringPass()(model)
            for value in model.graph.initializers.values():
                _externalize(value, file, folder / weights, offsets)
    for path, model in graphs.items():
        ir.save(model, path)


def _externalize(value: ir.Value, file: BinaryIO, path: Path, offsets: dict[bytes, int]) -> None:
    tensor = value.const_value
    if tensor is None or tensor.nbytes < PAGE:
        return
    data = tensor.tobytes()
    key = hashlib.sha256(data).digest()
    if key not in offsets:
        file.write(b"\0" * (-file.tell() % PAGE))
        offsets[key] = file.tell()
        file.write(data)
    value.const_value = ir.ExternalTensor(
        path.name, offsets[key], len(data), tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()), name=value.name or "", base_dir=path.parent,
    )  # fmt: skip
