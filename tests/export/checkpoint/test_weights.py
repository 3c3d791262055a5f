"""Weight files: which are loaded, and those that are not what they say."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.export.checkpoint.edits import edit, rewrite
from tests.hub import client_of, serve
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError


def refused(folder: Path, message: str) -> None:
    with pytest.raises(ExportError, match=message) as error:
        load_checkpoint(str(folder))
    assert "\n" not in str(error.value)


def bias(folder: Path) -> float:
    return float(load_checkpoint(str(folder)).model.classifier.bias[0].detach())


def shard(folder: Path, parts: int = 3) -> list[str]:
    """Split the weights into shards with an index. Returns their names."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = [f"model-{part + 1:05}-of-{parts:05}.safetensors" for part in range(parts)]
    where = {tensor: names[number % parts] for number, tensor in enumerate(tensors)}
    for name in names:
        save_file({t: tensors[t] for t in tensors if where[t] == name}, folder / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return names


def to_bin(folder: Path, add: float = 0.0) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"] = tensors["classifier.bias"] * 0 + add
    torch.save(tensors, folder / "pytorch_model.bin")


def test_safetensors_come_first_as_in_transformers(copied: Path) -> None:
    rewrite(copied, lambda tensors: tensors.update({"classifier.bias": np.full(5, 3.0, np.float32)}))
    to_bin(copied, add=7.0)
    found = load_checkpoint(str(copied))
    assert found.model.classifier.bias[0] == 3
    assert found.notes == ("CHECKPOINT: model.safetensors was loaded, as transformers does; pytorch_model.bin was not",)
    (copied / "model.safetensors").unlink()
    assert bias(copied) == 7
    assert load_checkpoint(str(copied)).weights_sha256 != found.weights_sha256


def test_a_whole_file_comes_before_shards(copied: Path) -> None:
    whole = (copied / "model.safetensors").read_bytes()
    names = shard(copied)
    sharded = load_checkpoint(str(copied)).weights_sha256
    (copied / names[0]).unlink()
    (copied / "model.safetensors").write_bytes(whole)
    assert load_checkpoint(str(copied)).weights_sha256 != sharded
    (copied / "model.safetensors").unlink()
    refused(copied, r"index\.json names 3 shards, and model-00001-of-00003\.safetensors is not there")


def test_from_the_hub_only_what_is_loaded_is_fetched(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_bin(copied)
    (copied / "model.fp16.safetensors").write_bytes(b"another variant")
    (copied / "modeling_own.py").write_text("raise SystemExit")
    with serve({"team/vit": copied}) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        whole = load_checkpoint("team/vit")
        assert hub.fetched() == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert whole.weights_sha256 == load_checkpoint(str(copied)).weights_sha256
    (copied / "pytorch_model.bin").unlink()
    names = shard(copied)
    with serve({"team/shards": copied}) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        assert load_checkpoint("team/shards").labels == whole.labels
        assert set(names) <= hub.fetched()
    (copied / names[1]).unlink()
    with (
        serve({"team/lacking": copied}) as hub,
        client_of(hub, tmp_path / "cache", monkeypatch),
        pytest.raises(ExportError, match=r"names 3 shards, and model-00002-of-00003\.safetensors is not there"),
    ):
        load_checkpoint("team/lacking")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_clone_without_its_large_files_is_explained(copied: Path, file: str) -> None:
    (copied / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 346293852\n")
    refused(copied, f"{file} is a pointer of git LFS, not the file itself; fetch it with `git lfs pull`")


class Intruder:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("intruder"),)  # type: ignore[return-value]


def test_a_pickle_of_objects_is_not_run(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (copied / "model.safetensors").unlink()
    torch.save({"classifier.bias": Intruder()}, copied / "pytorch_model.bin")
    refused(copied, "pytorch_model.bin holds more than tensors, and export never runs what a file holds")
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Intruder()))
    refused(copied, "pytorch_model.bin (holds more than tensors|is damaged)")
    assert not (tmp_path / "intruder").exists()


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bit_weights_without_their_scales_are_refused(copied: Path, kind: torch.dtype) -> None:
    tensors = load_file(copied / "model.safetensors")
    name = "vit.layers.0.attention.q_proj.weight"
    name = name if name in tensors else next(n for n in tensors if n.endswith("query.weight"))
    tensors[name] = tensors[name].to(kind)
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    refused(copied, rf"{name} in model\.safetensors is (I8|U8|F8_E4M3|F8_E5M2): quantised weights")
    torch.save(tensors, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    refused(copied, rf"{name} in pytorch_model\.bin is (int8|uint8|float8_e\w+): quantised weights")


def test_halves_are_accepted(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    save_file({name: t.to(torch.bfloat16) for name, t in tensors.items()}, copied / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    assert load_checkpoint(str(copied)).model.classifier.weight.dtype == torch.float32


def test_more_layers_in_the_weights_than_in_the_configuration_are_refused(copied: Path) -> None:
    edit(copied / "config.json", num_hidden_layers=1)
    refused(
        copied, r"its weights hold layers 1 \(vit\.layers\.1\.\S+, .* and \d+ more\), which the model of its config"
    )
    edit(copied / "config.json", num_hidden_layers=3)
    refused(copied, r"its weights lack vit\.layers\.2")


@pytest.mark.parametrize(
    "name",
    ["vit.layers.0.attention.q_norm.weight", "vit.embeddings.register_tokens", "classifier.dense.weight",
     "vit.layers.0.layer_scale1.lambda1", "vit.layers.0.attention.q_proj.lora_A.weight", "fc_norm.weight"],
)  # fmt: skip
def test_other_weights_of_the_model_are_refused(copied: Path, name: str) -> None:
    rewrite(copied, lambda tensors: tensors.update({name: np.ones(4, np.float32)}))
    refused(copied, rf"its weights hold {name}, which the model of its config\.json does not have")


def test_an_unexpected_bias_is_refused(copied: Path) -> None:
    edit(copied / "config.json", qkv_bias=False)
    refused(copied, r"its weights hold vit\.layers\.0\.attention\.\w+\.bias, .* and 3 more, which the model")


def test_weights_of_another_task_are_named(copied: Path) -> None:
    names = ["vit.pooler.dense.weight", "vit.embeddings.mask_token", "decoder.0.weight", "lm_head.bias"]
    rewrite(copied, lambda tensors: tensors.update({name: np.ones(4, np.float32) for name in names}))
    assert load_checkpoint(str(copied)).notes == (
        "CHECKPOINT: weights of another task were left aside: decoder, embeddings.mask_token, lm_head, pooler",
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "cannot be read: .*accepted: JSON"),
        ("[]", "holds list; accepted: a JSON object"),
        ("{}", "has no weight_map"),
        ('{"weight_map": {"a": "../other.safetensors"}}', "names '../other.safetensors'; accepted: files of the same"),
    ],
)
def test_a_broken_index_is_explained(copied: Path, index: str, message: str) -> None:
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors.index.json").write_text(index)
    refused(copied, message)


def test_weights_of_another_library_are_named(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "tf_model.h5")
    refused(copied, r"no weights beside its config\.json \(it holds TensorFlow weights\); accepted: model\.safetensors")
