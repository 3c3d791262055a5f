"""The activation of a head is the one that transformers' own pipeline applies."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.pipelines.image_classification import ImageClassificationPipeline

from tests.export.checkpoints import vit
from vitscope.bundle import probabilities
from vitscope.calibration import CALIBRATION, Calibration
from vitscope.export.checkpoint.head import activation_of, check_head, temperature_of
from vitscope.export.errors import ExportError

PROBLEMS = (None, "regression", "single_label_classification", "multi_label_classification")


def config_of(labels: int, problem: str | None, **more: Any) -> Any:
    names = {index: f"label {index}" for index in range(labels)}
    return transformers.ViTConfig(id2label=names, problem_type=problem, **more)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("labels", [1, 2, 4])
@pytest.mark.parametrize("more", [{}, {"function_to_apply": "sigmoid"}, {"function_to_apply": "none"}])
def test_it_is_that_of_the_pipeline(labels: int, problem: str | None, more: dict[str, str]) -> None:
    if (labels, problem) == (1, "single_label_classification"):
        pytest.skip("transformers refuses it")
    model, processor = vit()
    model.config = config_of(labels, problem, **more)
    pipeline = ImageClassificationPipeline(model=model, image_processor=processor)
    logits = torch.tensor([[3.0, -1.0, 0.5, 0.25][:labels]])
    answer = pipeline.postprocess(ImageClassifierOutput(logits=logits), top_k=labels)
    scores = {one["label"]: one["score"] for one in answer}
    found = probabilities(logits.numpy(), activation_of(model.config))
    expected = logits.numpy() if found is None else found
    assert [scores[f"label {index}"] for index in range(labels)] == pytest.approx(np.asarray(expected)[0])


def test_a_softmax_over_one_label_is_refused() -> None:
    with pytest.raises(ExportError, match="--head softmax: this checkpoint has one label"):
        check_head("softmax", 1)
    check_head("softmax", 2)
    check_head("sigmoid", 1)


def test_the_temperature_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    assert temperature_of(tmp_path, "softmax") == 1
    Calibration(2.5, 100).write(tmp_path)
    assert temperature_of(tmp_path, "softmax") == temperature_of(tmp_path, "sigmoid") == 2.5
    with pytest.raises(ExportError, match=r"has temperature 2.5, but this head's outputs are plain values"):
        temperature_of(tmp_path, "none")
    Calibration(1).write(tmp_path)
    assert temperature_of(tmp_path, "none") == 1


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity", '"2"'])
def test_a_wrong_temperature_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / CALIBRATION).write_text(f'{{"temperature": {value}}}')
    with pytest.raises(
        ExportError, match=r"^CHECKPOINT: calibration\.json: temperature is .*; accepted: a number from"
    ):
        temperature_of(tmp_path, "softmax")
