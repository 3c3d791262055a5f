"""Files of weights without a configuration: state dicts of timm and torchvision, bare and in training checkpoints."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.hub import client_of, serve
from tests.timm.checkpoints import LABELS, save
from vitscope.export.checkpoint import Checkpoint, load_checkpoint
from vitscope.export.errors import ExportError

NAMES = ("cup", "cat", "rocket", "flower", "temple")


@pytest.fixture(scope="module")
def tiny() -> Any:
    import timm

    torch.manual_seed(3)
    return timm.create_model("vit_tiny_patch16_224", num_classes=len(NAMES), img_size=32).eval()


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(NAMES))
    return str(path)


def _load(path: Path, labels: str | None, architecture: str | None = "vit_tiny_patch16_224") -> Checkpoint:
    return load_checkpoint(str(path), labels=labels, architecture=architecture)


def _same(found: Checkpoint, model: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected = model(pixels)
        return torch.allclose(found.model(pixel_values=pixels).logits, expected, atol=1e-5 * float(expected.std()))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "net.backbone.model."])
@pytest.mark.parametrize("place", ["", "state_dict"])
def test_weights_are_found_wherever_training_left_them(
    tiny: Any, prefix: str, place: str, labels: str, tmp_path: Path
) -> None:
    state: dict[str, Any] = {prefix + name: tensor for name, tensor in tiny.state_dict().items()}
    if prefix:
        state["criterion.weight"] = torch.ones(5)
    path = tmp_path / "last.ckpt"
    torch.save({place: state, "epoch": 3, "optimizer_states": [{}]} if place else state, path)
    found = _load(path, labels)
    assert found.labels == NAMES and found.source == "last"
    assert _same(found, tiny)
    assert any("criterion" in note for note in found.notes) == bool(prefix)
    assert any("--processor" in note for note in found.notes)


def test_a_safetensors_file(tiny: Any, labels: str, tmp_path: Path) -> None:
    import safetensors.torch

    safetensors.torch.save_file(tiny.state_dict(), tmp_path / "best.safetensors")
    assert _same(_load(tmp_path / "best.safetensors", labels), tiny)


def test_torchvision(labels: str, tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(4)
    model = torchvision.models.vit_b_32(image_size=32, num_classes=len(NAMES)).eval()
    with torch.no_grad():
        model.heads.head.weight.normal_()
        model.class_token.normal_()
    torch.save({f"module.{name}": tensor for name, tensor in model.state_dict().items()}, tmp_path / "model.pth")
    found = _load(tmp_path / "model.pth", labels, "vit_b_32")
    assert _same(found, model)
    assert found.processor.contract().mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("place", ["folder", "config.json", "hub"])
def test_the_config_of_another_checkpoint_of_timm(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shape, images and labels, not those that timm has under its name."""
    base = save(tmp_path / "base", "vit_tiny_patch16_224", global_pool="avg")
    state = {f"model.{name}": tensor for name, tensor in load_file(base / "model.safetensors").items()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    expected = load_checkpoint(str(base))
    (base / "model.safetensors").unlink()
    with serve({"team/base": base}) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        given = {"folder": str(base), "config.json": str(base / "config.json"), "hub": "team/base"}[place]
        found = _load(tmp_path / "last.ckpt", None, given)
    assert _same(found, lambda pixels: expected.model(pixel_values=pixels).logits)
    assert found.labels == LABELS and found.processor.contract() == expected.processor.contract()
    assert any(f"images are prepared as for {given} (32x32, bicubic, crop 0.9" in note for note in found.notes)
    torch.save({name: tensor[:3] if "head" in name else tensor for name, tensor in state.items()}, tmp_path / "w.pt")
    with pytest.raises(ExportError, match=r"config\.json of --architecture: 5 names; accepted: 3, .* --labels FILE"):
        _load(tmp_path / "w.pt", None, str(base))


def _without(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: _without(state, "blocks.3.attn.qkv.weight"), r"lacks blocks\.3\.attn\.qkv\.weight"),
        (lambda state: {**state, "blocks.12.norm1.weight": torch.ones(192)}, r"holds blocks\.12\.norm1\.weight"),
        (lambda state: {**state, "norm.weight": torch.ones(190)}, r"norm\.weight is \[190\], and \[192\]"),
        (lambda state: {"weights": "elsewhere"}, "no weights found"),
        (lambda state: [1, 2], "no weights found"),
        (lambda state: {"state_dict": {**state}, "hyper_parameters": Path("x")}, "more than tensors"),
    ],
    ids=["missing", "surplus", "shape", "none", "list", "object"],
)
def test_other_weights_are_refused(tiny: Any, change: Any, reason: str, labels: str, tmp_path: Path) -> None:
    torch.save(change(tiny.state_dict()), tmp_path / "w.pt")
    with pytest.raises(ExportError, match=reason) as error:
        _load(tmp_path / "w.pt", labels)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_refused(labels: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"PK\3\4 not an archive")
    with pytest.raises(ExportError, match="cannot be read as weights"):
        _load(tmp_path / "w.pt", labels)


@pytest.mark.parametrize(
    ("architecture", "names", "reason"),
    [
        (None, NAMES, "give --architecture NAME"),
        ("vit_q_16", NAMES, r"--architecture vit_q_16: neither a model of timm .* nor of torchvision \(vit_b_16"),
        ("vit_tiny_patch16_224", None, "5 classes without names; give --labels FILE"),
        ("vit_tiny_patch16_224", NAMES[:4], "4 names; accepted: 5"),
        ("vit_small_patch16_224", NAMES, r"is \[.*\], and \[.*\] in vit_small_patch16_224"),
        ("swin_tiny_patch4_window7_224", NAMES, "lacks .* of swin_tiny"),
    ],
)
def test_what_the_options_must_say(
    tiny: Any, architecture: str | None, names: tuple[str, ...] | None, reason: str, tmp_path: Path
) -> None:
    torch.save(tiny.state_dict(), tmp_path / "w.pt")
    (tmp_path / "names.json").write_text(json.dumps(names))
    with pytest.raises(ExportError, match=reason):
        _load(tmp_path / "w.pt", str(tmp_path / "names.json") if names else None, architecture)


def test_a_folder_is_no_file_of_weights(labels: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no file of weights"):
        _load(tmp_path, labels)
