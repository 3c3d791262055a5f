"""Runs a batch so that an image that cannot be computed takes no other image with it.

An engine that raises says nothing about which image of the batch it was: each is run again alone. Outputs that are not
finite are an error of the model on that image, never an answer.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import structlog

from vitscope.server.engines.contract import Outputs, status_of
from vitscope.server.errors import ComputeFailed, DeadlineExpired
from vitscope.server.host.incidents import one_line, report
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Stage

log = structlog.get_logger()

Result = Outputs | Exception
FailureObserver = Callable[[Lane, str, int], None]

# After a batch of which not one image could be computed alone, the engine may be broken: running everything twice would
# help nobody, so that for these seconds its batches fail as a whole.
_PAUSE = 1.0


class Isolation:
    """Runs batches on engine threads.

    failed: called with (lane, "engine" or "not_finite", number of images). Must not raise.
    """

    def __init__(self, failed: FailureObserver, clock: Callable[[], float] = time.monotonic) -> None:
        self._failed, self._clock = failed, clock
        self._in_vain: WeakKeyDictionary[Lane, float] = WeakKeyDictionary()

    def run(self, batch: Batch) -> tuple[Iterable[Result], bool]:
        """Return the result of each image, in the order of the batch, and whether the engine ran it as a whole.

        A result is the graph's outputs without the batch axis, or the error of this image. Raises nothing.
        """
        size = len(batch)
        try:
            outputs = batch.run(size)
        except Exception as error:
            if size > 1 and self._is_worth_it(batch.lane):
                return self._one_by_one(batch, error), False
            return self._engine_failed(batch.lane, error, size), False
        try:
            suspect = not _surely_finite(outputs)
            return (self._finite(batch.lane, outputs, size) if suspect else rows(outputs, size)), True
        except Exception as error:  # outputs that are not what the graph promised
            return self._engine_failed(batch.lane, error, size), False

    def _is_worth_it(self, lane: Lane) -> bool:
        broken = status_of(lane.engine).broken is not None
        return not broken and self._clock() >= self._in_vain.get(lane, 0.0) + _PAUSE

    def _one_by_one(self, batch: Batch, error: Exception) -> list[Result]:
        """Run each image of a batch that failed with `error` alone, in the first row of the same slot."""
        results = [self._alone(batch, row) for row in range(len(batch))]
        lane, failed = batch.lane, [result for result in results if isinstance(result, _EngineError)]
        if all(isinstance(result, _EngineError | DeadlineExpired) for result in results):
            self._in_vain[lane] = self._clock()
        if not failed:
            log.warning("engine failed on a batch, and on none of its images", lane=lane.name, reason=one_line(error))
            return results
        errors = iter(self._engine_failed(lane, failed[0].reason, len(failed)))
        return [next(errors) if isinstance(result, _EngineError) else result for result in results]

    def _alone(self, batch: Batch, row: int) -> Result:
        work, lane = batch.work[row], batch.lane
        if work.stage is not Stage.RUNNING:
            return DeadlineExpired("cancelled")  # nobody waits for it
        if self._clock() >= work.deadline:
            return DeadlineExpired("the deadline passed while the request was computed")
        try:
            batch.write(0, work)
            outputs = batch.run(1)
            return next(iter(rows(outputs, 1) if _surely_finite(outputs) else self._finite(lane, outputs, 1)))
        except Exception as error:
            return _EngineError(error)

    def _engine_failed(self, lane: Lane, error: Exception, images: int) -> list[Result]:
        error_id = report("engine failed", error, lane=lane.name, engine=str(lane.engine.identity), images=images)
        self._failed(lane, "engine", images)
        return [ComputeFailed("the engine failed", error_id) for _ in range(images)]

    def _finite(self, lane: Lane, outputs: Outputs, size: int) -> list[Result]:
        """Return the rows, with an error in the place of each that is not finite."""
        results: list[Result] = list(rows(outputs, size))
        wrong = {row: names for row in range(size) if (names := _not_finite(outputs, row))}
        if wrong:
            names = ", ".join(sorted({name for found in wrong.values() for name in found}))
            error_id = report(
                "outputs are not finite", f"{names} hold NaN or infinite numbers", lane=lane.name,
                engine=str(lane.engine.identity), images=len(wrong),
            )  # fmt: skip
            self._failed(lane, "not_finite", len(wrong))
            for row in wrong:
                results[row] = ComputeFailed("what the model computed are not finite numbers", error_id)
        return results


class _EngineError(Exception):
    """An engine's own error on one image; not reported yet."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def rows(outputs: Outputs, size: int) -> Iterator[Outputs]:
    """Yield the outputs of each image of a batch, without the batch axis."""
    for row in range(size):
        yield {name: array[row] for name, array in outputs.items()}


def _surely_finite(outputs: Outputs) -> bool:
    """Return True only if all numbers are finite: if one is not, nor is the sum. A sum may also overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(np.add.reduce(array, axis=None)) for array in outputs.values())


def _not_finite(outputs: Outputs, row: int) -> Sequence[str]:
    return [name for name, array in outputs.items() if not np.isfinite(array[row]).all()]
