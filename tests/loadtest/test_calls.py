"""Calls to the real server, here from ordinary threads: how they run under gevent is seen in test_runs."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

import grpc
import pytest
from PIL import Image as PillowImage

from tests.e2e.harness import RunningServer
from tests.loadtest.test_mix import SMALL, options
from vitscope.loadtest.calls import Caller
from vitscope.loadtest.lean import generate
from vitscope.loadtest.mix import Mix


@pytest.fixture(scope="module")
def caller(server: RunningServer) -> Iterator[Caller]:
    caller = Caller(server.address, 1, None, deadline=30.0)
    yield caller
    caller.close()


def test_time_counts_from_when_a_request_was_due(caller: Caller) -> None:
    request = Mix(options(*SMALL, "--model", "left")).draw(Random(0))
    late = caller.ask(request, perf_counter() - 40.0)
    assert late.code == "OK"
    assert late.seconds > late.lag >= 40.0
    assert not late.in_time
    now = caller.ask(request, perf_counter())
    assert now.in_time and now.seconds < 30.0 and now.size > 0


def test_own_photos_of_every_format_are_sent_and_can_be_read(caller: Caller, tmp_path: Path) -> None:
    picture = PillowImage.radial_gradient("L").resize((40, 30)).convert("RGB")
    for suffix in ("jpg", "png", "gif", "bmp", "webp", "tiff"):
        picture.save(tmp_path / f"photo.{suffix}")
    (tmp_path / "notes.txt").write_text("no image")
    mix, random = Mix(options("--photos", str(tmp_path), "--model", "left")), Random(0)
    requests = [mix.draw(random) for _ in range(40)]
    assert len({request.message[:30] for request in requests}) == 6
    assert [caller.ask(request, perf_counter()).code for request in requests] == ["OK"] * 40


def test_errors_have_their_code_and_what_the_server_says(caller: Caller) -> None:
    outcome = caller.ask(Mix(options(*SMALL, "--model", "middle")).draw(Random(0)), perf_counter())
    assert outcome.code == "NOT_FOUND"
    assert outcome.message.startswith("NOT_FOUND: ") and "left" in outcome.message


def test_no_server() -> None:
    caller = Caller("127.0.0.1:1", 1, None, deadline=30.0)
    outcome = caller.ask(Mix(options(*SMALL)).draw(Random(0)), perf_counter())
    caller.close()
    assert outcome.code == grpc.StatusCode.UNAVAILABLE.name


async def test_the_lean_generator_sends_the_same_load(server: RunningServer) -> None:
    found = await generate(
        server.address, options(*SMALL, "--model", "left", "--rate", "20", "--duration", "1", "--deadline", "30")
    )
    assert found["codes"] == {"OK": found["sent"]}
    assert found["sent"] > 0 and found["goodput"] == found["rate"]
