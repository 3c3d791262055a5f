"""The comparison of two engines' outputs, image by image, at each batch size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitscope.bundle import Activation, CertificateEntry, LogitBars, Parity, Scale
from vitscope.server.engines.contract import Identity, Outputs, Slot
from vitscope.server.maps.methods import METHODS
from vitscope.server.maps.methods import attention as attention_method
from vitscope.server.maps.methods.method import Method

Run = Callable[[np.ndarray], Outputs]
"""uint8 [n, H, W, 3] -> outputs by name, batch first."""


@dataclass(frozen=True)
class Bars:
    """The limits of what is accepted.

    logits: by the activation of the head. cosine: least cosine between map rows of any image. row_sum: largest
    difference of a row's sum from 1.
    """

    logits: Mapping[Activation, LogitBars]
    cosine: float
    row_sum: float = 1e-2


REDUCED = Bars(
    {
        "softmax": LogitBars(agreement=0.99, tie=1e-3, mean_probability=1e-3),
        "sigmoid": LogitBars(agreement=0.99, tie=0.01, probability=0.05),
        "none": LogitBars(agreement=1, worst=0.1, mean=0.02),
    },
    cosine=0.99,
)
EIGHT_BITS = Bars(
    {
        "softmax": LogitBars(agreement=0.98, tie=5e-3, mean_probability=5e-3),
        "sigmoid": LogitBars(agreement=0.98, tie=0.02, probability=0.1),
        "none": LogitBars(agreement=1, worst=0.2, mean=0.04),
    },
    cosine=0.98,
)


def bars_of(precision: str) -> Bars:
    return EIGHT_BITS if precision in ("fp8", "int8") else REDUCED


def judge(
    run: Run,
    reference: Run,
    images: np.ndarray,
    batches: Sequence[int],
    identity: Identity,
    bars: Bars,
    activation: Activation = "softmax",
    temperature: float = 1.0,
) -> CertificateEntry:
    """Compare `run` with `reference` on uint8 `images` [M, H, W, 3], in batches of each of these sizes.

    The reference runs every image once. activation, temperature: of the model's head. The entry's
    shortfalls name the batch size.
    """
    expected = _joined(run_in_batches(reference, images, max(batches)))
    # Nothing can be held against a reference that is not finite: its scale is of no use, and it counts as a finding.
    unusable = _non_finite(expected)
    scale = Scale.of(np.nan_to_num(expected["logits"]), activation, temperature)
    findings = [
        _Finding(None, {}, unusable)
        if unusable
        else _compare(_joined(run_in_batches(run, images, size)), expected, scale, bars)
        for size in batches
    ]
    attention = [finding.maps[attention_method.NAME] for finding in findings if attention_method.NAME in finding.maps]
    return CertificateEntry(
        engine=identity.name,
        engine_version=identity.version,
        precision=identity.precision,
        images=len(images),
        top1_agreement=min(finding.agreement for finding in findings),
        max_logit_error=_worst([finding.logit_error for finding in findings]),
        mean_logit_error=_worst([finding.mean_logit_error for finding in findings]),
        min_attention_cosine=min((found.cosine for found in attention), default=None),
        mean_attention_cosine=min((found.mean_cosine for found in attention), default=None),
        logit_spread=float(scale.spread.mean()),
        max_probability_error=_worst([finding.probability for finding in findings]),
        non_finite=sum(finding.non_finite for finding in findings),
        shortfalls=tuple(
            f"at batch {size}, {problem}"
            for size, finding in zip(batches, findings, strict=True)
            for problem in finding.shortfalls(bars)
        ),
    )


def through(slot: Slot, profile: int = 0) -> Run:
    """Return a run that copies images into a slot, as the scheduler does."""

    def run(images: np.ndarray) -> Outputs:
        slot.pixels[: len(images)] = images
        return slot.run(len(images), profile)

    return run


def run_in_batches(run: Run, images: np.ndarray, size: int) -> Iterator[Outputs]:
    """Run every image in batches of exactly `size`; the last is padded with the first images again."""
    for start in range(0, len(images), size):
        rows = np.arange(start, start + size)
        outputs = run(np.take(images, rows, axis=0, mode="wrap"))
        yield {name: values[: len(images) - start] for name, values in outputs.items()}


@dataclass(frozen=True)
class _MapFinding:
    """One method at one batch size, over all images and rows.

    row_sum: the largest difference from 1 where it matters.
    """

    cosine: float
    mean_cosine: float
    row_sum: float

    def shortfalls(self, name: str, bars: Bars) -> Iterator[str]:
        if self.cosine < bars.cosine:
            yield f"the {name} cosine falls to {self.cosine:.4f}, at least {bars.cosine} is accepted"
        if self.row_sum > bars.row_sum:
            yield f"an {name} row's sum is off by {self.row_sum:.1e}, at most {bars.row_sum:.0e} is accepted"


@dataclass(frozen=True)
class _Finding:
    """One batch size. With values that are not finite, nothing else is compared: logits is None.

    maps: by method.
    """

    logits: Parity | None
    maps: Mapping[str, _MapFinding]
    non_finite: int = 0

    @property
    def agreement(self) -> float:
        return self.logits.agreement if self.logits else 0.0

    @property
    def logit_error(self) -> float | None:
        return self.logits.worst if self.logits else None

    @property
    def mean_logit_error(self) -> float | None:
        return self.logits.mean if self.logits else None

    @property
    def probability(self) -> float | None:
        return self.logits.probability if self.logits else None

    def shortfalls(self, bars: Bars) -> Iterator[str]:
        if self.logits is None:
            yield f"{self.non_finite} output values are NaN or infinite, none is accepted"
            return
        yield from self.logits.shortfalls()
        for name, found in self.maps.items():
            yield from found.shortfalls(name, bars)


def _compare(found: Outputs, expected: Outputs, scale: Scale, bars: Bars) -> _Finding:
    if non_finite := _non_finite(found):
        return _Finding(None, {}, non_finite)
    logits = Parity(scale, bars.logits[scale.activation])
    logits.add(found["logits"], expected["logits"])
    return _Finding(
        logits,
        {method.name: rows for method in METHODS.values() if (rows := _compare_maps(method, found, expected))},
    )


def _non_finite(outputs: Outputs) -> int:
    return sum(int(np.count_nonzero(~np.isfinite(values))) for values in outputs.values())


def _compare_maps(method: Method, found: Outputs, expected: Outputs) -> _MapFinding | None:
    """Compare the rows of one method. Returns None for a graph without them, or where no row can be compared."""
    ours, theirs = method.rows(found), method.rows(expected)
    if ours is not None and theirs is not None and method.of_best_class:
        same = found["logits"].argmax(-1) == expected["logits"].argmax(-1)
        ours, theirs = ours[same], theirs[same]
    return None if ours is None or not len(ours) else _compare_rows(ours, theirs, method.sums_to_one)


def _compare_rows(found: np.ndarray, expected: np.ndarray | None, sums_to_one: bool) -> _MapFinding:
    assert expected is not None
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    cosines = np.clip(np.einsum("...t,...t->...", ours, theirs) / np.maximum(norms, 1e-30), -1, 1)
    row_sum = float(np.abs(ours.sum(-1) - 1).max()) if sums_to_one else 0.0
    return _MapFinding(float(cosines.min()), float(cosines.mean()), row_sum)


def _joined(batches: Iterator[Outputs]) -> Outputs:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
