"""The comparison of an engine's outputs with the reference's."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.engines.contract import Identity, Outputs
from vitscope.server.engines.gate.images import made_up_images
from vitscope.server.engines.gate.judge import EIGHT_BITS, REDUCED, bars_of, judge, run_in_batches

IDENTITY = Identity("engine", "1", "f16", "a GPU")
IMAGES = made_up_images(16, 24, count=13)
WEIGHTS = np.random.default_rng(1).normal(size=(16 * 24 * 3, 5 + 2 * 7))


def model(images: np.ndarray) -> Outputs:
    """Compute logits [n, 5] and attention rows [n, 2, 7], of which two places are for prefix tokens."""
    made = images.reshape(len(images), -1) / 255 @ WEIGHTS / 4
    rows = np.exp(made[:, 5:].reshape(-1, 2, 7))
    rows /= rows.sum(-1, keepdims=True)
    return {
        "logits": made[:, :5].astype(np.float32),
        "attention": rows[..., 2:].astype(np.float32),
        "attention_prefix": rows[..., :2].astype(np.float32),
    }


def changed(
    name: str, change: Callable[[np.ndarray], np.ndarray], at: int | None = None
) -> Callable[[np.ndarray], Outputs]:
    """Return the model with one output changed, at one batch size or at all of them."""

    def run(images: np.ndarray) -> Outputs:
        outputs = dict(model(images))
        if at in (None, len(images)):
            outputs[name] = change(outputs[name])
        return outputs

    return run


def shortfalls(run: Callable[[np.ndarray], Outputs], batches: tuple[int, ...] = (1, 4, 8)) -> tuple[str, ...]:
    return judge(run, model, IMAGES, batches, IDENTITY, REDUCED).shortfalls


def test_an_equal_engine_passes() -> None:
    entry = judge(model, model, IMAGES, (1, 4, 8), IDENTITY, REDUCED)
    assert entry.passed
    assert (entry.images, entry.top1_agreement, entry.max_logit_error, entry.non_finite) == (13, 1.0, 0.0, 0)
    assert entry.min_attention_cosine == pytest.approx(1)
    assert (entry.engine, entry.engine_version, entry.precision) == ("engine", "1", "f16")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("logits", lambda values: np.roll(values, 1, axis=-1), "top-1 agrees on"),
        ("logits", lambda values: values * 1.5, "probabilities differ by"),
        ("attention", lambda values: values[..., ::-1], "the attention cosine falls to"),
        ("attention", lambda values: values * 1.05, "an attention row's sum is off by"),
        ("logits", lambda values: np.where(values == values.max(), np.nan, values), "NaN or infinite"),
    ],
)
def test_an_error_at_one_batch_size_is_found_there(
    name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    found = shortfalls(changed(name, change, at=4))
    assert found
    assert all(problem.startswith("at batch 4, ") for problem in found)
    assert any(message in problem for problem in found)


def test_rows_that_are_mixed_up_within_a_batch_are_found() -> None:
    def mixed(images: np.ndarray) -> Outputs:
        return {name: values[::-1] for name, values in model(images).items()}

    found = shortfalls(mixed)
    assert any(problem.startswith("at batch 8, top-1") for problem in found)
    assert not any(problem.startswith("at batch 1,") for problem in found)


def test_of_two_equally_probable_classes_both_are_right() -> None:
    def even(images: np.ndarray) -> Outputs:
        return {"logits": np.tile(np.array([3.0, 3.0, 0.0], np.float32), (len(images), 1))}

    def tilted(images: np.ndarray) -> Outputs:
        return {"logits": even(images)["logits"] + np.array([0, 1e-4, 0], np.float32)}

    assert judge(tilted, even, IMAGES, (4,), IDENTITY, REDUCED).top1_agreement == 1


def test_8_bits_have_bars_of_their_own() -> None:
    assert bars_of("fp8") is bars_of("int8") is EIGHT_BITS
    assert bars_of("bf16") is REDUCED
    assert EIGHT_BITS.logits["softmax"].agreement < REDUCED.logits["softmax"].agreement


@given(st.integers(1, 20), st.integers(1, 9))
def test_every_image_is_run_once_and_in_order_at_any_batch_size(count: int, size: int) -> None:
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    sizes: list[int] = []

    def run(batch: np.ndarray) -> Outputs:
        sizes.append(len(batch))
        return {"logits": batch[:, 0, 0]}

    answers = np.concatenate([outputs["logits"] for outputs in run_in_batches(run, images, size)])
    assert answers[:, 0].tolist() == list(range(count))
    assert set(sizes) == {size}
