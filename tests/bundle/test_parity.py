"""Two sets of logits that differ by known amounts, held to bars that go by their spread."""

import numpy as np
import pytest

from vitscope.bundle import F32_SHARE, Activation, LogitBars, Parity, Scale

RANDOM = np.random.default_rng(5)
F32 = LogitBars(agreement=0.99, worst=F32_SHARE)


def compared(expected: np.ndarray, found: np.ndarray, activation: Activation, bars: LogitBars = F32) -> Parity:
    """Compare in two batches, as certificates do."""
    expected, found = expected.astype(np.float32), found.astype(np.float32)
    parity = Parity(Scale.of(expected, activation), bars)
    for part in (slice(0, 3), slice(3, None)):
        parity.add(found[part], expected[part])
    return parity


def logits(spread: float, classes: int = 5, offset: float = 0.0) -> np.ndarray:
    return RANDOM.normal(offset, spread, (16, classes))


@pytest.mark.parametrize("spread", [1.0, 300.0, 25_000.0])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_the_bar_of_float32_is_relative_to_the_spread(spread: float, activation: Activation) -> None:
    expected = logits(spread)
    accepted, refused = expected + 0.5e-5 * spread, expected + max(5e-5 * spread, 2e-4)
    assert not list(compared(expected, accepted, activation).shortfalls())
    (message,) = compared(expected, refused, activation).shortfalls()
    assert "differ by up to" in message and "where their spread is" in message


def test_small_logits_have_an_absolute_bar() -> None:
    expected = logits(1e-3)
    assert not list(compared(expected, expected + 0.9e-4, "none").shortfalls())
    assert list(compared(expected, expected + 1.2e-4, "none").shortfalls())


def test_values_far_from_zero_are_given_what_float32_rounds_away() -> None:
    """A regression of pixel coordinates around 25,000: one unit in the last place is 0.002."""
    expected = logits(0.1, offset=25_000)
    assert not list(compared(expected, np.nextafter(expected.astype(np.float32), np.float32(1e6)), "none").shortfalls())
    assert list(compared(expected, expected + 0.05, "none").shortfalls())


def test_every_output_of_a_regression_has_a_spread_of_its_own() -> None:
    """One large output must not hide that a small one is wrong."""
    expected = np.hstack([logits(10_000, 1), logits(1, 1)])
    (message,) = compared(expected, expected + np.array([0, 0.01]), "none").shortfalls()
    assert message.startswith("logits of output 1 differ by up to 1.0e-02")
    assert not list(compared(expected, expected + np.array([0.01, 0]), "none").shortfalls())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("value", [0.0, 7.0, 25_000.0])
def test_constant_logits_agree_with_themselves(value: float, activation: Activation) -> None:
    """Which of several equal classes is the first is left to rounding, and proves nothing."""
    expected = np.full((16, 5), value)
    found = expected * (1 + RANDOM.uniform(-1e-7, 1e-7, expected.shape))
    parity = compared(expected, found, activation)
    assert parity.spread == 0 and parity.agreement == 1 and not list(parity.shortfalls())
    assert list(compared(expected, found + max(1.0, value), activation).shortfalls())


def test_one_class_has_the_spread_of_its_images() -> None:
    expected = logits(300, 1)
    parity = compared(expected, expected + 1e-3, "sigmoid")
    assert parity.spread == pytest.approx(expected.std()) and not list(parity.shortfalls())


def test_label_sets_are_compared_at_a_half_but_for_labels_that_are_undecided() -> None:
    expected = np.full((16, 4), -3.0)
    expected[:, 1:3] = (2.0, 0.01)
    bars = LogitBars(agreement=0.99, tie=0.01, probability=0.05)
    same = expected.copy()
    same[:, 2] = -0.01  # 0.5025 becomes 0.4975
    assert compared(expected, same, "sigmoid", bars).agreement == 1
    same[:2, 1] = -2.0
    parity = compared(expected, same, "sigmoid", bars)
    assert parity.agreement == pytest.approx(14 / 16)
    assert parity.probability == pytest.approx(0.761594, abs=1e-6)
    messages = "; ".join(parity.shortfalls())
    assert "the set of labels agrees on 87.5% of the images" in messages
    assert "a probability differs by 7.6e-01" in messages
    assert compared(expected, same, "softmax", bars).agreement == pytest.approx(14 / 16)


def test_values_without_probabilities_are_held_to_their_differences() -> None:
    expected = logits(2, 3)
    bars = LogitBars(agreement=1, worst=0.1, mean=0.02)
    parity = compared(expected, expected + 0.1, "none", bars)
    (message,) = parity.shortfalls()
    assert "on average" in message and parity.agreement == 1 and parity.probability is None
    shuffled = expected[::-1]
    assert len(list(compared(expected, shuffled, "none", bars).shortfalls())) == 2


def test_a_temperature_counts_for_probabilities_alone() -> None:
    expected = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
    found = expected + np.float32(0.01)
    found[:, 0] -= np.float32(0.02)
    parities = []
    for temperature in (1.0, 4.0):
        parity = Parity(Scale.of(expected, "softmax", temperature), F32)
        parity.add(found, expected)
        parities.append(parity)
    cold, warm = parities
    assert (cold.worst, cold.mean, cold.agreement) == (warm.worst, warm.mean, warm.agreement)
    assert cold.probability is not None and warm.probability is not None
    theirs, ours = (np.exp(logits / 4) / np.exp(logits / 4).sum(-1, keepdims=True) for logits in (expected, found))
    assert warm.probability == pytest.approx(np.abs(theirs - ours).max(), rel=1e-3) != cold.probability
