"""The clock of a run: phases, the time that counts, and the rest between steps."""

from vitscope.loadtest.conductor import Conductor
from vitscope.loadtest.judge import Run
from vitscope.loadtest.scenarios import course
from vitscope.loadtest.tally import Outcome, Tally

BARS = {"step": {"error_ratio": 0.5}}


def play(conductor: Conductor, seconds: range, running: int | None = None) -> list[int | None]:
    """Tick once a second. The users are as many as were wanted the second before, or always `running`."""
    wanted: list[int | None] = []
    for now in seconds:
        users = running if running is not None else (wanted[-1] if wanted else 0)
        wanted.append(conductor.tick(float(now), users or 0))
    return wanted


def test_a_phase_counts_from_when_its_users_run_and_no_load_is_sent_at_the_end() -> None:
    run = Run("constant", "requests/s", {})
    wanted = play(Conductor(course("constant", 10, 3.0, 5.0), run, rest=1.5), range(100, 108))
    assert wanted == [10, 10, 10, 10, 10, 0, None, None]
    (measured,) = run.measured
    assert (measured.begin, measured.end) == (1011, 1041)


def test_only_requests_that_were_due_in_the_phase_count() -> None:
    run = Run("constant", "requests/s", {})
    play(Conductor(course("constant", 10, 3.0, 5.0), run, rest=1.5), range(100, 108))
    tally = Tally()
    tally.add(Outcome("OK", 0.1))
    for slot in (1009, 1010, 1011, 1040, 1041):
        run.count(slot, tally)
    assert run.measured[0].tally.total == 2


def test_a_ramp_pauses_between_steps_and_goes_on_by_the_result() -> None:
    run = Run("ramp", "requests/s", BARS)
    conductor = Conductor(course("ramp", 8, 12.0, 2.0), run, rest=1.0)
    wanted: list[int | None] = []
    for now in range(100, 116):
        wanted.append(conductor.tick(float(now), (wanted[-1] or 0) if wanted else 0))
        if run.measured:  # every request fails from 16 a second on
            tally = Tally()
            tally.add(Outcome("OK" if run.measured[-1].phase.load < 16 else "UNAVAILABLE", 0.1))
            run.count(run.measured[-1].begin, tally)
    assert wanted[:11] == [8, 8, 8, 8, 0, 16, 16, 16, 16, 0, 11]
    knee = run.knee()
    assert knee is not None and knee.phase.load in (8, 11)


def test_a_phase_counts_after_a_while_even_if_not_all_users_run() -> None:
    run = Run("constant", "requests/s", {})
    wanted = play(Conductor(course("constant", 10, 3.0, 5.0), run, rest=1.0), range(100, 130), running=7)
    assert wanted[-1] is None
    assert len(run.measured) == 1


def test_a_run_that_is_stopped_counts_up_to_then() -> None:
    run = Run("soak", "requests/s", {})
    conductor = Conductor(course("soak", 10, 1000.0, 5.0), run, rest=1.0)
    play(conductor, range(100, 110))
    conductor.stop(109.0)
    assert 7.5 < run.measured[0].seconds < 8.5
    assert conductor.tick(110.0, 10) is None


def test_a_step_that_is_stopped_does_not_count() -> None:
    run = Run("ramp", "requests/s", BARS)
    conductor = Conductor(course("ramp", 8, 20.0, 5.0), run, rest=1.0)
    assert play(conductor, range(100, 103)) == [8, 8, 8]
    assert len(run.measured) == 1
    conductor.stop(103.0)
    assert run.measured == [] and run.knee() is None
