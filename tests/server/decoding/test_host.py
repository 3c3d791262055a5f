"""An image that is decoded in a process: the same pixels, and an end to whatever it costs."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageChops

from tests.server.decoding.files import forks, is_running, job, large_png, tiff, until
from tests.server.images.samples import encoded, photos
from vitscope.server.decoding.host import Decoders, IsolatedDecode
from vitscope.server.decoding.job import Budget, DecodeJob
from vitscope.server.errors import DeadlineExpired, InvalidRequest, NotReady
from vitscope.server.images.prepare import Prepared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


class Harness:
    """Decoders, the reasons of what they ended, and a thread that runs one decode."""

    def __init__(self, budget: Budget) -> None:
        self.ended: list[str] = []
        self.decoders = Decoders(budget, self.ended.append)
        self.thread = ThreadPoolExecutor(1)

    def decode(self, job: DecodeJob, deadline: float = math.inf) -> Prepared:
        return self.decoders.start(job, lambda: deadline)()

    def stopped(self, deadline: float = math.inf) -> tuple[IsolatedDecode, Future[Prepared], int]:
        """Start a decode that never ends: its process is stopped."""
        for _ in range(20):
            decode = self.decoders.start(job(large_png()), lambda: deadline)
            running = self.thread.submit(decode)
            until(lambda running=running: forks(self.decoders) or running.done())
            pid = next(iter(forks(self.decoders)), None)
            if pid is not None and _stopped_early(pid, running):
                return decode, running, pid
            running.result(10)  # it was decoded before it could be stopped, on a busy machine
        raise AssertionError("no decode could be stopped")


def _stopped_early(pid: int, running: Future[Prepared]) -> bool:
    """Stop a process as soon as it has begun. Return False, with the process running, if it had ended its work."""
    try:
        until(lambda: Path(f"/proc/{pid}/fd/2").readlink() == Path(os.devnull))  # the first thing that it does
        os.kill(pid, signal.SIGSTOP)
        wait([running], timeout=0.05)
        if not running.done():
            return True
        os.kill(pid, signal.SIGCONT)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False


@pytest.fixture(scope="module")
def shared() -> Iterator[Harness]:
    harness = Harness(Budget())
    yield harness
    harness.decoders.close()
    harness.thread.shutdown()


@pytest.fixture
def harness(shared: Harness) -> Harness:
    shared.ended.clear()
    return shared


@pytest.mark.parametrize("format", ["TIFF", "PNG", "JPEG"])
@pytest.mark.parametrize("keep_photo", [False, True])
def test_it_is_what_a_thread_would_decode(harness: Harness, format: str, keep_photo: bool) -> None:
    file = job(encoded(photos()["coffee.png"], format), keep_photo)
    here, there = file(), harness.decode(file)
    np.testing.assert_array_equal(here.pixels, there.pixels)
    assert not there.pixels.flags.writeable
    assert here.geometry == there.geometry
    if keep_photo:
        assert here.photo is not None
        assert there.photo is not None
        assert ImageChops.difference(here.photo, there.photo).getbbox() is None
    assert not forks(harness.decoders)


def test_a_damaged_file_is_refused_with_the_same_words(harness: Harness) -> None:
    file = job(encoded(photos()["coffee.png"], "PNG")[:20_000])
    with pytest.raises(InvalidRequest) as here:
        file()
    with pytest.raises(InvalidRequest) as there:
        harness.decode(file)
    assert str(there.value) == str(here.value)
    assert there.value.field == here.value.field
    assert not harness.ended


def test_an_image_that_takes_too_long_is_refused() -> None:
    harness = Harness(Budget(seconds=0.1))
    with pytest.raises(InvalidRequest, match=r"a PNG file that takes more than 0.1 s of processor time"):
        harness.decode(job(large_png()))
    assert harness.ended == ["seconds"]
    assert harness.decode(job(tiff())).pixels.shape == (224, 224, 3)
    harness.decoders.close()


@pytest.mark.parametrize("mib", [16, 200])
def test_an_image_that_needs_too_much_memory_is_refused(mib: int) -> None:
    harness = Harness(Budget(bytes=mib * 2**20))
    with pytest.raises(InvalidRequest, match=f"a PNG file that needs more than {mib} MiB of memory"):
        harness.decode(job(large_png(), keep_photo=True))
    assert harness.ended == ["memory"]
    assert harness.decode(job(tiff())).pixels.shape == (224, 224, 3)
    harness.decoders.close()


def test_a_decode_that_is_cancelled_ends_at_once(harness: Harness) -> None:
    decode, running, pid = harness.stopped()
    decode.cancel()
    with pytest.raises(DeadlineExpired):
        running.result(10)
    until(lambda: not is_running(pid))
    assert harness.ended == ["cancelled"]


def test_a_decode_that_is_cancelled_before_it_begins_never_starts(harness: Harness) -> None:
    decode = harness.decoders.start(job(tiff()), lambda: math.inf)
    decode.cancel()
    with pytest.raises(DeadlineExpired):
        decode()
    assert not forks(harness.decoders)


def test_a_decode_ends_at_its_deadline(harness: Harness) -> None:
    harness.decode(job(tiff()))
    _, running, pid = harness.stopped(time.monotonic() + 1)
    with pytest.raises(DeadlineExpired, match="while the image was decoded"):
        running.result(10)
    until(lambda: not is_running(pid))
    assert harness.ended == ["deadline"]


def test_a_decoder_that_is_killed_from_outside_costs_one_image(harness: Harness) -> None:
    _, running, pid = harness.stopped()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(NotReady, match="try again"):
        running.result(10)
    assert harness.ended == ["killed"]
    assert harness.decode(job(tiff())).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_decoder_that_crashes_costs_its_own_image(harness: Harness, number: signal.Signals) -> None:
    _, running, pid = harness.stopped()
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(InvalidRequest, match="makes its decoder crash"):
        running.result(10)
    assert harness.ended == ["crashed"]
    assert harness.decode(job(tiff())).pixels.shape == (224, 224, 3)


def test_the_template_is_started_again_when_it_has_been_killed(harness: Harness) -> None:
    _, running, pid = harness.stopped()
    template = harness.decoders.template.pid
    assert template
    os.kill(template, signal.SIGKILL)
    with pytest.raises(NotReady):
        running.result(10)
    assert harness.decode(job(tiff())).pixels.shape == (224, 224, 3)
    assert harness.decoders.template.pid not in (None, template)
    until(lambda: not is_running(pid))


def test_signals_for_the_server_do_not_end_the_template(harness: Harness) -> None:
    harness.decode(job(tiff()))
    template = harness.decoders.template.pid
    assert template
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(template, number)
    harness.decode(job(tiff()))
    assert harness.decoders.template.pid == template


def test_closing_ends_what_runs() -> None:
    harness = Harness(Budget())
    _, running, pid = harness.stopped()
    template = harness.decoders.template.pid
    harness.decoders.close()
    with pytest.raises((DeadlineExpired, NotReady)):
        running.result(10)
    until(lambda: not is_running(pid))
    assert template
    until(lambda: not is_running(template))
    with pytest.raises(NotReady, match="stopping"):
        harness.decode(job(tiff()))


_ORPHAN = """
import sys
from tests.server.decoding.files import forks, job, large_png, until
from tests.server.decoding.test_host import Harness
from vitscope.server.decoding.job import Budget
harness = Harness(Budget())
_, _, pid = harness.stopped()
print(harness.decoders.template.pid, pid, flush=True)
sys.stdin.read()
"""


def test_no_process_outlives_a_server_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert all(is_running(pid) for pid in pids)
        server.kill()
    assert len(pids) == 2
    for pid in pids:
        until(lambda pid=pid: not is_running(pid))  # type: ignore[misc]
