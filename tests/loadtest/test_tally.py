"""Counts and histograms, and their sums."""

import json

import numpy as np
import pytest

from vitscope.loadtest.tally import Outcome, Recorder, Tally, Times, slot_of

ANSWERED = Outcome("OK", 0.020, 0.001, in_time=True)
REFUSED = Outcome("RESOURCE_EXHAUSTED", 0.002, 0.001, pushback=0.25)
LATE = Outcome("DEADLINE_EXCEEDED", 1.0, 0.001, message="DEADLINE_EXCEEDED")


def tally(*outcomes: Outcome) -> Tally:
    found = Tally()
    for outcome in outcomes:
        found.add(outcome)
    return found


@pytest.mark.parametrize("percent", [1, 50, 95, 99])
@pytest.mark.parametrize("scale", [1e-4, 1e-2, 10.0])
def test_percentiles_are_right_within_a_percent(percent: float, scale: float) -> None:
    values = np.random.default_rng(0).lognormal(size=5000) * scale
    times = Times()
    for value in values:
        times.add(float(value))
    found = times.percentile(percent)
    assert found == pytest.approx(float(np.percentile(values, percent, method="inverted_cdf")), rel=0.01)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Times().percentile(50) is None


def test_refusals_are_no_errors_and_have_times_of_their_own() -> None:
    found = tally(ANSWERED, REFUSED, REFUSED, LATE)
    assert (found.total, found.in_time, found.refusals, found.errors) == (4, 1, 2, 1)
    assert found.answered.percentile(99) == pytest.approx(0.020, rel=0.01)
    assert found.refused.percentile(99) == pytest.approx(0.002, rel=0.01)
    assert found.pushback.percentile(50) == pytest.approx(0.25, rel=0.01)


def test_an_answer_after_the_deadline_is_not_in_time() -> None:
    assert tally(Outcome("OK", 2.0, 1.9, in_time=False)).in_time == 0


def test_tallies_can_be_sent_to_another_process_and_added_up() -> None:
    one, other = tally(ANSWERED, REFUSED), tally(LATE, ANSWERED)
    values = json.loads(json.dumps(other.dump()))
    for name in ("answered", "refused", "pushback", "lag"):  # JSON has no whole numbers as keys, Locust's msgpack has
        values[name] = {int(at): count for at, count in values[name].items()}
    one.merge(Tally.load(values))
    assert one.dump() == tally(ANSWERED, REFUSED, LATE, ANSWERED).dump()


def test_requests_count_once_in_the_slot_in_which_they_were_due() -> None:
    recorder = Recorder()
    recorder.record(100.01, ANSWERED)
    recorder.record(100.02, ANSWERED)
    recorder.record(107.01, REFUSED)
    taken = recorder.take()
    assert sum(found.total for found in taken.values()) == 3
    assert max(taken) - min(taken) in (69, 70, 71)
    assert taken[slot_of(107.01)].refusals == 1
    assert recorder.take() == {}
