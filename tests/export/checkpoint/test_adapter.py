"""Adapters of PEFT: merged, or refused; never ignored."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.export.checkpoint.edits import edit, rewrite
from tests.export.checkpoints import LABELS, vit
from tests.hub import client_of, serve
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def adapt(model: Any, folder: Path, config: Any) -> np.ndarray:
    """Save an adapter of random weights, and return the logits of base and adapter by peft itself."""
    torch.manual_seed(2)
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.3)
        logits = adapted.eval()(IMAGES).logits.numpy()
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    return logits


def lora(**changes: Any) -> peft.LoraConfig:
    targets: Any = changes.pop("target_modules", ["q_proj", "v_proj"])
    return peft.LoraConfig(r=4, target_modules=targets, modules_to_save=["classifier"], **changes)


def logits(checkpoint: Any) -> np.ndarray:
    with torch.inference_mode():
        return checkpoint.model(IMAGES).logits.numpy()


@pytest.fixture
def base(checkpoints: dict[str, Path]) -> Any:
    return transformers.ViTForImageClassification.from_pretrained(checkpoints["vit"])


@pytest.mark.parametrize(
    "config",
    [
        lora(),
        lora(use_dora=True),
        lora(use_rslora=True, rank_pattern={"q_proj": 2}, target_modules="all-linear"),
        lora(bias="lora_only"),
        peft.IA3Config(target_modules=["k_proj", "fc2"], feedforward_modules=["fc2"]),
        peft.LoHaConfig(r=2, target_modules=["q_proj"]),
    ],
    ids=["lora", "dora", "rslora", "bias", "ia3", "loha"],
)
def test_an_adapter_alone_is_merged_into_the_base_that_it_names(
    config: Any, base: Any, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    expected = adapt(base, tmp_path / "adapter", config)
    found = load_checkpoint(str(tmp_path / "adapter"))
    assert (found.source, found.labels, type(found.model).__name__) == ("adapter", LABELS, "ViTForImageClassification")
    np.testing.assert_allclose(logits(found), expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected - logits(load_checkpoint(str(checkpoints["vit"])))).max() > 0.1
    assert any("was merged into vit" in note for note in found.notes)


def test_an_adapter_beside_its_base_is_merged(base: Any, copied: Path) -> None:
    before = load_checkpoint(str(copied))
    expected = adapt(base, copied, lora())
    found = load_checkpoint(str(copied))
    np.testing.assert_allclose(logits(found), expected, atol=1e-4 * np.abs(expected).max())
    assert found.weights_sha256 != before.weights_sha256
    rewrite(copied, lambda tensors: tensors.update({"base_model.model.classifier.bias": np.ones(5, np.float32)}),
            "adapter_model.safetensors")  # fmt: skip
    assert load_checkpoint(str(copied)).weights_sha256 != found.weights_sha256


def test_the_digest_covers_the_base_of_an_adapter(base: Any, copied: Path, tmp_path: Path) -> None:
    adapt(base, tmp_path / "adapter", lora())
    before = load_checkpoint(str(tmp_path / "adapter"), base=str(copied))
    rewrite(copied, lambda tensors: tensors.update({"vit.layernorm.bias": np.ones(32, np.float32)}))
    assert load_checkpoint(str(tmp_path / "adapter"), base=str(copied)).weights_sha256 != before.weights_sha256


def test_adapters_of_transformers_4_keep_their_meaning(base: Any, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """They were written with the names that modules had then."""
    folder = tmp_path / "adapter"
    expected = adapt(base, folder, lora(rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 16}))
    old = {"vit.layers": "vit.encoder.layer", "attention.q_proj": "attention.attention.query",
           "attention.v_proj": "attention.attention.value"}  # fmt: skip
    tensors = {}
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        for new, former in old.items():
            name = name.replace(new, former)
        tensors[name] = tensor
    save_file(tensors, folder / "adapter_model.safetensors")
    edit(folder / "adapter_config.json", target_modules=["query", "value"], rank_pattern={"query": 2},
         alpha_pattern={"value": 16})  # fmt: skip
    found = logits(load_checkpoint(str(folder)))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_base_without_a_classifier_takes_that_of_the_adapter(tmp_path: Path) -> None:
    """As most are trained: of an encoder with another head or none, and labels that only the training knew."""
    body = transformers.ViTModel(vit()[0].config)
    body.save_pretrained(tmp_path / "base")
    vit()[1].save_pretrained(tmp_path / "base")
    edit(tmp_path / "base/config.json", id2label=None, label2id=None)
    names = ["one", "two", "three"]
    model = transformers.ViTForImageClassification.from_pretrained(
        tmp_path / "base", id2label=dict(enumerate(names)), label2id={}
    )
    expected = adapt(model, tmp_path / "adapter", lora())
    with pytest.raises(ExportError, match=r"has 3 outputs, and config\.json names 2 labels; give --labels FILE with 3"):
        load_checkpoint(str(tmp_path / "adapter"))
    (tmp_path / "names.txt").write_text("\n".join(names))
    found = load_checkpoint(str(tmp_path / "adapter"), labels=str(tmp_path / "names.txt"))
    assert found.labels == tuple(names)
    np.testing.assert_allclose(logits(found), expected, atol=1e-4 * np.abs(expected).max())
    edit(tmp_path / "adapter/config.json", **{**model.config.to_dict(), "architectures": ["ViTForImageClassification"]})
    assert load_checkpoint(str(tmp_path / "adapter")).labels == tuple(names)


def test_an_adapter_and_its_base_on_the_hub(
    base: Any, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = adapt(base, tmp_path / "adapter", lora())
    edit(tmp_path / "adapter/adapter_config.json", base_model_name_or_path="team/vit")
    models = {"team/vit": checkpoints["vit"], "team/lora": tmp_path / "adapter"}
    with serve(models) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        found = load_checkpoint("team/lora")
    assert found.source == "team/lora"
    np.testing.assert_allclose(logits(found), expected, atol=1e-4 * np.abs(expected).max())


def test_what_cannot_be_merged_is_refused(
    base: Any, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "adapter"
    adapt(base, folder, lora())

    def refused(message: str, **changes: object) -> None:
        copy = shutil.copytree(folder, tmp_path / "changed", dirs_exist_ok=True)
        edit(copy / "adapter_config.json", **changes)
        with pytest.raises(ExportError, match=message) as error:
            load_checkpoint(str(copy))
        assert "\n" not in str(error.value)

    refused("names no base; give --base", base_model_name_or_path=None)
    refused("its base cannot be found .*/nowhere: there is no such folder.*give --base",
            base_model_name_or_path="/nowhere")  # fmt: skip
    refused(r"adapter \(SURPRISE\) cannot be merged by peft", peft_type="SURPRISE")
    refused(r"adapter \(PREFIX_TUNING\) cannot be merged", peft_type="PREFIX_TUNING")
    refused("of its adapter, .*q_proj.lora_A.weight is not taken up by the base", target_modules=["v_proj"])
    refused("of its adapter, its weights lack .*k_proj", target_modules=["q_proj", "k_proj", "v_proj"])
    with pytest.raises(ExportError, match=r"--base .*: CHECKPOINT holds no adapter"):
        load_checkpoint(str(checkpoints["vit"]), base=str(checkpoints["deit"]))
    (folder / "adapter_model.safetensors").rename(folder / "lost")
    with pytest.raises(ExportError, match=r"without its weights; accepted: adapter_model\.safetensors or"):
        load_checkpoint(str(folder))
    (folder / "lost").rename(folder / "adapter_model.safetensors")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"holds a PEFT adapter \(LORA, adapter_config.json\); install peft"):
        load_checkpoint(str(folder))


def test_several_adapters(base: Any, copied: Path, checkpoints: dict[str, Path]) -> None:
    """Those of sub-folders are another choice, and said to be left out; a Trainer's earlier steps are not."""
    adapt(base, copied / "summer", lora())
    shutil.copytree(copied / "summer", copied / "checkpoint-500")
    assert [note for note in load_checkpoint(str(copied)).notes if "sub-folders" in note] == [
        "CHECKPOINT: adapters in its sub-folders are not part of this export: summer"
    ]
    for name in ("config.json", "model.safetensors"):
        (copied / name).unlink()
    with pytest.raises(ExportError, match=r"no config.json, but .*summer/.* has one: give .*"):
        load_checkpoint(str(copied))
