"""Calls to the real server from ordinary threads; test_runs has them under gevent."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

import grpc
import pytest
from PIL import Image as PillowImage

from tests.e2e.harness import RunningServer
from tests.loadtest.mixes import SMALL, options
from vitscope.loadtest.connections import Connections
from vitscope.loadtest.mix import Mix


@pytest.fixture(scope="module")
def connections(server: RunningServer) -> Iterator[Connections]:
    connections = Connections(server.address, 1, None, deadline=30.0)
    yield connections
    connections.close()


def test_latency_counts_from_when_a_request_was_due(connections: Connections) -> None:
    request = Mix(options(*SMALL, "--model", "left")).draw(Random(0))
    late = connections.send(request, perf_counter() - 40.0)
    assert late.code == "OK"
    assert late.seconds > late.lag >= 40.0
    assert not late.in_time
    now = connections.send(request, perf_counter())
    assert now.in_time and now.seconds < 30.0 and now.size > 0


def test_own_photos_of_every_format_are_sent_and_can_be_decoded(connections: Connections, tmp_path: Path) -> None:
    picture = PillowImage.radial_gradient("L").resize((40, 30)).convert("RGB")
    for suffix in ("jpg", "png", "gif", "bmp", "webp", "tiff"):
        picture.save(tmp_path / f"photo.{suffix}")
    (tmp_path / "notes.txt").write_text("no image")
    mix, random = Mix(options("--photos", str(tmp_path), "--model", "left")), Random(0)
    requests = [mix.draw(random) for _ in range(40)]
    assert len({request.message[:30] for request in requests}) == 6
    assert [connections.send(request, perf_counter()).code for request in requests] == ["OK"] * 40


def test_errors_have_the_code_and_the_message_of_the_server(connections: Connections) -> None:
    outcome = connections.send(Mix(options(*SMALL, "--model", "middle")).draw(Random(0)), perf_counter())
    assert outcome.code == "NOT_FOUND"
    assert outcome.message.startswith("NOT_FOUND: ") and "left" in outcome.message


def test_no_server() -> None:
    connections = Connections("127.0.0.1:1", 1, None, deadline=30.0)
    outcome = connections.send(Mix(options(*SMALL)).draw(Random(0)), perf_counter())
    connections.close()
    assert outcome.code == grpc.StatusCode.UNAVAILABLE.name
