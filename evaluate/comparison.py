"""Two models on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.intervals import Share, paired_difference
from vitscope.evaluate.mcnemar import McNemar, mcnemar
from vitscope.evaluate.records import Record


@dataclass(frozen=True)
class Pair:
    """What two models said of one image."""

    first: Record
    second: Record

    @property
    def differs(self) -> bool:
        return self.first.predicted != self.second.predicted


@dataclass(frozen=True)
class Comparison:
    """The second model against the first, on the images that both answered.

    both, neither: images on which both, or none, are right. difference: of the accuracies, second less first, with
    Newcombe's interval for pairs. test: McNemar's. pairs: of all images. left_out: images that only one answered.
    """

    both: int
    neither: int
    difference: Share
    test: McNemar
    pairs: tuple[Pair, ...]
    left_out: int

    @property
    def differing(self) -> tuple[Pair, ...]:
        """The images with different answers: those first that the second alone gets wrong, then that it alone gets
        right, then that both do; the surest first."""
        differing = [pair for pair in self.pairs if pair.differs]
        return tuple(sorted(differing, key=lambda pair: (_group(pair), -pair.second.probability)))


def _group(pair: Pair) -> int:
    if pair.first.correct:
        return 0
    return 1 if pair.second.correct else 2


def compare(first: Sequence[Record], second: Sequence[Record]) -> Comparison:
    """Compare what two models said of the same images.

    Raises EvaluateError if they have no image in common, or one with another true label.
    """
    of_second = {record.image: record for record in second}
    pairs = tuple(Pair(record, of_second[record.image]) for record in first if record.image in of_second)
    if not pairs:
        raise EvaluateError(
            f"the reports have no image in common: {first[0].image!r} is in the first, {second[0].image!r} in the "
            "second; accepted: reports on the same --data"
        )
    for pair in pairs:
        if pair.first.label != pair.second.label:
            raise EvaluateError(
                f"{pair.first.image}: is {pair.first.label!r} in the first report and {pair.second.label!r} in the "
                "second; accepted: reports on the same --data"
            )
    counts = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for pair in pairs:
        counts[pair.first.correct, pair.second.correct] += 1
    both, only_first = counts[True, True], counts[True, False]
    only_second, neither = counts[False, True], counts[False, False]
    return Comparison(
        both=both,
        neither=neither,
        difference=paired_difference(both, only_first, only_second, neither),
        test=mcnemar(only_first, only_second),
        pairs=pairs,
        left_out=len(first) + len(second) - 2 * len(pairs),
    )
