"""Durations of the stages of a request, also of one that shares another's result."""

import pytest

from vitscope.server.scheduling.timeline import STAGES, Timeline


def timeline(received: float, **ends: float) -> Timeline:
    return Timeline(received, ends)


def test_durations_are_those_of_the_stages_that_were_reached() -> None:
    durations = timeline(10.0, receive=11.0, decode=13.0).durations()
    assert durations == {"receive": 1.0, "decode": 2.0, "total": 3.0}


def test_stages_of_a_shared_result_that_ended_before_take_no_time() -> None:
    other = timeline(0.0, receive=1.0, decode=2.0, queue=4.0, batch=7.0, infer=11.0, maps=12.0)
    other.batch_size = 3
    later = timeline(4.5, receive=5.0)
    later.adopt(other)
    later.end("maps", 13.0)
    durations = later.durations()
    assert durations == {"receive": 0.5, "decode": 0, "queue": 0, "batch": 2.0, "infer": 4.0, "maps": 2.0, "total": 8.5}
    assert durations["total"] == pytest.approx(sum(durations[stage] for stage in STAGES))
    assert later.batch_size == 3
