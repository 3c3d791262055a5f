"""Servers of the benchmark, started and stopped."""

import os

import pytest

from bench.photos import raw_payloads
from bench.servers import Server, ServerFailed, echo
from vitscope.loadtest.generator import Load, generate


def test_the_echo_answers_and_ends_with_the_block() -> None:
    with echo() as server:
        result = generate(Load(server.address, raw_payloads(224, 224, 2), seconds=0.3, warm_up=0.1, clients=2, keep=1))
        assert result.codes.keys() == {"OK"}
        assert len(result.replies[0]) == 450
        assert server.rss_mib > 5
        assert server.cpu_seconds > 0
        assert server.ready_seconds > 0
        pid = server.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_ends_says_why() -> None:
    with (
        pytest.raises(ServerFailed, match=r"(?s)no-such-model.*ended before it served.*Error"),
        Server("-m", "bench.baseline", "no-such-model.onnx"),
    ):
        pass
