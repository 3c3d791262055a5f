"""What is no single choice between classes is refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.export.checkpoints import vit
from vitscope.dataset import Dataset, LabelledImage
from vitscope.evaluate import EvaluateError
from vitscope.evaluate.data import numbers, root_of, select
from vitscope.evaluate.sources.checkpoint import CheckpointSource
from vitscope.evaluate.sources.source import require_softmax


def test_other_heads_are_refused() -> None:
    require_softmax("softmax", "x")
    with pytest.raises(
        EvaluateError, match=r"--bundle x: the head gives each label a probability of its own \(sigmoid\)"
    ):
        require_softmax("sigmoid", "--bundle x: the head")
    with pytest.raises(EvaluateError, match="answers with plain values, as in regression; accepted: a model that"):
        require_softmax("none", "x")
    with pytest.raises(EvaluateError, match="has the activation 'new'"):
        require_softmax("new", "x")


def test_labels_are_matched_by_name() -> None:
    assert numbers(("cat", "dog"), ("dog", "bird", "cat"), "it") == (2, 0)
    with pytest.raises(
        EvaluateError, match=r"2 of its 3 labels are unknown to it: 'a', 'b'; that model has 2: 'c', 'd'"
    ):
        numbers(("a", "b", "c"), ("c", "d"), "it")
    with pytest.raises(EvaluateError, match="it has several classes named 'crane'"):
        numbers(("crane",), ("crane", "crane"), "it")


def test_images_are_named_relative_to_the_data(tmp_path: Path) -> None:
    paths = (tmp_path / "cat/1.png", tmp_path / "dog/2.png")
    assert root_of(str(tmp_path), paths) == root_of("owner/name", paths) == tmp_path


def test_the_test_images_are_measured_or_else_those_for_validation() -> None:
    images = tuple(LabelledImage(Path(f"{name}.png"), 0) for name in "abc")
    splits = {"train": images[:1], "validation": images[1:2], "test": images[2:]}
    data = Dataset(("cat", "dog"), splits)
    assert select(data, None).paths == (Path("c.png"),) and select(data, "train").paths == (Path("a.png"),)
    assert select(replace(data, splits={"train": images[:1], "validation": images[1:]}), None).split == "validation"
    with pytest.raises(EvaluateError, match="has training images only; name them with --split train"):
        select(replace(data, splits={"train": images}), None)


def test_a_processor_of_another_size_than_the_positions(tmp_path: Path) -> None:
    """As the export takes it: transformers interpolates them when it is asked to."""
    model, processor = vit()
    processor.size = {"height": 48, "width": 40}
    for part in (model.eval(), processor):
        part.save_pretrained(tmp_path / "checkpoint")
    picture = Image.effect_noise((60, 50), 90).convert("RGB")
    picture.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    found = dict(CheckpointSource(str(tmp_path / "checkpoint")).answers(paths))
    with torch.inference_mode():
        pixels = processor(picture, return_tensors="pt")["pixel_values"]
        expected = model(pixels, interpolate_pos_encoding=True).logits[0].numpy()
    assert found[0] == pytest.approx(expected, abs=1e-5)
    assert isinstance(found[1], str) and "cannot identify image file" in found[1]


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_a_checkpoint_that_does_not_choose_one_class_is_refused(tmp_path: Path, problem: str) -> None:
    for part in vit(problem_type=problem):
        part.save_pretrained(tmp_path)
    with pytest.raises(EvaluateError, match=r"--checkpoint .*: this head .*; accepted: a model that chooses one class"):
        CheckpointSource(str(tmp_path))
