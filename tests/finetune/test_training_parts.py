"""The parts of training that stand by themselves: layers, loss, averages, stochastic depth, threads, defaults."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vitscope.finetune import threads
from vitscope.finetune.advice import small_data
from vitscope.finetune.cli import _parser
from vitscope.finetune.defaults import default_recipe
from vitscope.finetune.ema import Ema
from vitscope.finetune.layers import blocks, parameter_groups
from vitscope.finetune.loss import class_weights, cross_entropy, is_uneven
from vitscope.finetune.model import from_scratch
from vitscope.finetune.options import AUGMENTATION, RECIPE, SCRATCH
from vitscope.finetune.recipe import Recipe, Scratch
from vitscope.finetune.score import Score
from vitscope.finetune.stochastic_depth import add_stochastic_depth


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    shape = Scratch(image_size=16, patch_size=8, width=16, depth=3, heads=2)
    made: torch.nn.Module = from_scratch(shape, ["a", "b"])[0].eval()
    return made


def test_lower_layers_learn_more_slowly(model: torch.nn.Module) -> None:
    groups = parameter_groups(model, ("classifier",), 1.0, 0.1, 0.5)
    assert sorted({group["lr"] for group in groups}) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    decays = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert rates.keys() == set(names.values())
    assert rates["classifier.weight"] == rates["vit.layernorm.weight"] == 1.0
    assert rates["vit.embeddings.cls_token"] == 0.0625
    assert {rates[name] for name in rates if ".0." in name} == {0.125}
    assert {rates[name] for name in rates if ".2." in name} == {0.5}
    assert {name for name in decays if decays[name]} == {
        name for name, p in model.named_parameters() if p.ndim >= 2 and "token" not in name and "position" not in name
    }


def test_blocks_are_those_of_the_encoder(model: torch.nn.Module) -> None:
    assert len(blocks(model)) == 3


def test_rare_classes_count_for_more() -> None:
    weights = class_weights([900, 100])
    assert weights[1] / weights[0] == pytest.approx(3)
    assert float((weights * torch.tensor([900, 100])).sum()) == pytest.approx(1000, rel=1e-5)
    assert is_uneven([9, 3]) and not is_uneven([8, 3])
    logits = torch.zeros(2, 2)
    assert float(cross_entropy(logits, torch.eye(2))) == pytest.approx(np.log(2))
    hard = cross_entropy(torch.tensor([[2.0, -1.0]]), torch.tensor([0]), 0.1, weights)
    assert float(hard) == pytest.approx(
        float(cross_entropy(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]]), 0.1, weights / weights[0])),
        rel=0.3,
    )


def test_score_prefers_accuracy_then_loss() -> None:
    truth = np.array([0, 1])
    right, surer, wrong = (
        Score.of(np.array(logits, np.float32), truth)
        for logits in ([[1, 0], [0, 1]], [[5, 0], [0, 5]], [[9, 0], [0.1, 0]])
    )
    assert surer > right > wrong
    assert not right > right
    assert (right.accuracy, wrong.accuracy) == (1.0, 0.5)
    assert right.loss == pytest.approx(np.log(1 + np.exp(-1)))


def test_the_average_follows_and_is_put_back(model: torch.nn.Module, tmp_path: Path) -> None:
    ema, weight = Ema(model, 0.5), next(model.parameters())
    start = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    ema.update()
    ema.save(tmp_path)
    again = Ema(model, 0.5)
    again.load(tmp_path)
    for average in (ema, again):
        with average.applied():
            assert torch.allclose(weight, start + 9 / 11)  # the first decay is 2 / 11
        assert torch.equal(weight, start + 1)
    ema.update(), again.update()
    with ema.applied():
        expected = weight.detach().clone()
    with again.applied():
        assert torch.equal(weight, expected)


def test_stochastic_depth_skips_blocks_in_training_alone(model: torch.nn.Module) -> None:
    pixels = torch.rand(64, 3, 16, 16)
    with torch.inference_mode():
        before = model(pixel_values=pixels).logits
        add_stochastic_depth(blocks(model), 0.5)
        assert torch.equal(model(pixel_values=pixels).logits, before)
        model.train()
        torch.manual_seed(1)
        dropped = model(pixel_values=pixels).logits
    changed = (dropped - before).abs().amax(1) > 1e-6
    assert changed.any()
    mean = torch.stack([model(pixel_values=pixels).logits for _ in range(60)]).mean(0)
    assert torch.allclose(mean.mean(0), before.mean(0), atol=0.1)


def plan(monkeypatch: pytest.MonkeyPatch, step: float, cpus: float, machine: int, load: float, wanted: int = 0) -> int:
    monkeypatch.setattr(threads, "cpu_share", lambda: (cpus, ""))
    monkeypatch.setattr(threads.os, "cpu_count", lambda: machine)
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (load, 0.0, 0.0))
    return threads.plan_threads(step, wanted).threads


def test_threads_are_planned_by_quota_load_and_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(monkeypatch, 1e12, 8, 64, 0) == 8  # a quota of 8 on a machine of 64
    assert plan(monkeypatch, 1e12, 1.5, 64, 0) == 1
    assert plan(monkeypatch, 1e12, 8, 8, 5) == 3  # others use 5
    assert plan(monkeypatch, 1e12, 8, 8, 30) == 1
    assert plan(monkeypatch, 1e9, 8, 8, 0) == 1  # over before a second thread has begun
    assert plan(monkeypatch, 5e9, 8, 8, 0) == 3
    assert plan(monkeypatch, 1e9, 8, 8, 30, wanted=5) == 5


def test_the_work_of_a_step_is_counted(model: torch.nn.Module) -> None:
    one, eight = (threads.operations(model, torch.rand(n, 3, 16, 16)) for n in (1, 8))
    assert eight == 8 * one
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.ndim == 2 and "layer" in name)
    assert one > 3 * 2 * 5 * matrices  # five tokens


def test_defaults_follow_mode_and_size() -> None:
    few, many = (default_recipe("full", images, 768, 12, 224) for images in (60, 50_000))
    assert few.batch_size < many.batch_size and few.epochs > many.epochs
    assert few.learning_rate < many.learning_rate <= 2e-4  # 1e-3 would forget what the base knows
    assert default_recipe("full", 60, 128, 6, 28).learning_rate > few.learning_rate
    assert default_recipe("scratch", 60, 768, 12, 224).learning_rate > few.learning_rate
    assert default_recipe("lora", 60, 768, 12, 224).weight_decay == 0


def test_advice_for_few_images() -> None:
    assert "60 images are few" in str(small_data(60, None)) and "--base" in str(small_data(60, None))
    assert small_data(60, "some/base") is None is small_data(1000, None)


def test_every_field_has_an_option() -> None:
    fields = {*Recipe.__dataclass_fields__, *Scratch.__dataclass_fields__}
    assert fields == {*SCRATCH, *RECIPE, *AUGMENTATION}
    given = vars(_parser().parse_args(["data"]))
    assert fields <= given.keys() and all(given[name] is None for name in fields)


def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = _parser().format_help()
    assert max(map(len, text.splitlines())) <= 80
