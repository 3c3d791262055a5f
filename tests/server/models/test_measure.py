"""Run times by batch size are measured in turns, up to the size that gains nothing."""

from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import write_graph
from tests.server.models.engines import Clock, Cost, TimedEngine
from vitscope.server.engines.contract import Outputs, Profile
from vitscope.server.engines.openvino import OpenVinoEngine
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.measure import Bench, measure, time_one_image


def bench(clock: Clock, cost: Cost, max_batch: int = 64, profile: Profile = Profile(1, 1)) -> Bench:  # noqa: B008
    return Bench(TimedEngine(clock, cost, [profile], max_batch), clock=clock)


def test_a_real_engine_is_measured_in_each_profile(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    engine = OpenVinoEngine(tmp_path / "graph.onnx", "f32", "f32", [Profile(1, 2), Profile(2, 1)], 4)
    benches = [Bench(engine, profile) for profile in (0, 1)]
    measure(benches)
    for measured in benches:
        assert next(iter(measured.seconds)) == 1
        assert set(measured.seconds) <= {1, 2, 4}
        assert all(0 < seconds < 1 for seconds in measured.seconds.values())


def test_sizes_double_up_to_the_largest_while_bigger_ones_gain() -> None:
    clock = Clock()
    steady = bench(clock, lambda profile, n: 0.01 * n**0.8, max_batch=6)
    measure([steady])
    assert steady.seconds == pytest.approx({n: 0.01 * n**0.8 for n in (1, 2, 4, 6)})


def test_two_sizes_without_a_gain_are_enough_but_not_one() -> None:
    clock = Clock()
    flat = bench(clock, lambda profile, n: 0.01 * n)
    dip = bench(clock, lambda profile, n: 0.01 * n * (1.2 if n == 2 else 0.8 if n == 4 else 1))
    measure([flat, dip])
    assert list(flat.seconds) == [1, 2, 4]
    assert list(dip.seconds) == [1, 2, 4, 8, 16]


def test_batches_of_seconds_are_the_last_that_are_measured() -> None:
    clock = Clock()
    slow = bench(clock, lambda profile, n: 0.7 * n**0.9)
    measure([slow])
    assert list(slow.seconds) == [1, 2]


def test_the_shortest_of_several_runs_counts() -> None:
    clock, runs = Clock(), iter(range(10_000))
    noisy = bench(clock, lambda profile, n: 0.1 if next(runs) % 3 else 0.06, max_batch=1)
    measure([noisy])
    assert noisy.seconds == pytest.approx({1: 0.06})


def test_all_streams_run_together_and_the_slowest_counts() -> None:
    clock, runs = Clock(), iter(range(10_000))
    streams = bench(clock, lambda profile, n: 0.05 if next(runs) % 4 else 0.2, max_batch=1, profile=Profile(4, 1))
    measure([streams])
    assert streams.seconds == pytest.approx({1: 0.2})


def test_measuring_is_abandoned_when_the_server_stops() -> None:
    clock = Clock()
    with pytest.raises(LoadAbandoned):
        measure([bench(clock, lambda profile, n: 0.01)], stopping=lambda: True)


def test_one_image_is_timed_in_the_first_profile() -> None:
    ran: list[tuple[int, int]] = []

    class Recorded:
        pixels = np.zeros((4, 1, 1, 3), np.uint8)

        def run(self, n: int, profile: int = 0) -> Outputs:
            ran.append((n, profile))
            return {}

    assert 0 < time_one_image(Recorded(), repeats=3) < 1
    assert ran == [(1, 0)] * 3
