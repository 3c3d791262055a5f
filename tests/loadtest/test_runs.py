"""Whole runs against real servers: verdicts, exit codes, reports."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.harness import RunningServer
from tests.loadtest.runs import Running, background_loadtest, loadtest, locust
from vitscope.loadtest.channels import SERVICE

LOOSE = "{error_ratio: 0, refusal_ratio: 0, goodput_ratio: 1}"
DELAY = 1.5  # seconds


class Sleepy:
    """A gRPC server that takes DELAY for each request, serves all in parallel, and records the most at a time."""

    def __init__(self) -> None:
        self.now, self.most, self._lock = 0, 0, threading.Lock()
        handler = grpc.unary_unary_rpc_method_handler(self._answer)
        service = grpc.method_handlers_generic_handler(SERVICE.strip("/"), {"Classify": handler})
        self.server = grpc.server(ThreadPoolExecutor(64), [service])
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def _answer(self, request: bytes, context: Any) -> bytes:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(DELAY)
        with self._lock:
            self.now -= 1
        return b""


@pytest.fixture(scope="module")
def sleepy() -> Iterator[Sleepy]:
    found = Sleepy()
    found.server.start()
    yield found
    found.server.stop(0).wait()


@pytest.fixture(scope="module")
def runs(
    server: RunningServer, full_server: RunningServer, sleepy: Sleepy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Running]]:
    """All at the same time."""
    folder = tmp_path_factory.mktemp("runs")
    bars = {
        "loose": f"constant: {{all: {LOOSE}}}\nramp: {{step: {LOOSE}, knee: {{goodput: 1}}}}",
        "strict": f"constant: {{all: {{p50_ms: {DELAY * 900}, error_ratio: 0}}}}",
        "overload": "overload: {all: {error_ratio: 0}, overload: {refusal_ratio: 1}}",
    }
    for name, text in bars.items():
        (folder / f"{name}.yml").write_text(text)

    def judged(name: str) -> tuple[str, str]:
        return "--objectives", str(folder / f"{name}.yml")

    here, host = ("--server", server.address), ("--host", server.address)
    left, quick = ("--model", "left"), ("--duration", "1.5")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    mixed = ("--rate", "30", "--maps", "0.4", "--stream", "0.4", "--model", "left:2,right")
    started = {
        "passed": loadtest(folder / "passed", *here, *mixed, *quick, *judged("loose")),
        "ramp": locust(
            folder / "ramp", *host, *left, "--scenario", "ramp", "--rate", "5", "--step", "1", "--duration", "2",
            "--deadline", "3", *judged("loose"),
        ),
        "overload": locust(
            folder / "overload", "--host", full_server.address, *left, "--scenario", "overload", "--clients", "6",
            "--duration", "2", "--html", str(folder / "overload" / "locust.html"), *judged("overload"),
        ),
        "interrupted": background_loadtest(
            folder / "interrupted", *here, *left, "--rate", "4", "--duration", "600", *judged("loose")
        ),
        "sleepy": locust(folder / "sleepy", "--host", sleepy.address, "--rate", "20", *quick, *judged("strict")),
        "master": locust(
            folder / "master", *host, *left, "--rate", "20", *quick, *judged("loose"),
            "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", "1",
        ),
        "worker": locust(folder / "worker", "--worker", "--master-host", "127.0.0.1", "--master-port", port),
    }  # fmt: skip
    yield started
    for one in started.values():
        one.stop()


def test_ctrl_c_ends_a_run_with_a_summary_even_in_the_background(runs: dict[str, Running]) -> None:
    run = runs["interrupted"]
    assert run.process.stderr is not None
    assert "constant: steady, 4 requests/s" in run.process.stderr.readline()
    until = time.monotonic() + 60
    while not (run.report / "locust.log").read_text().count("All users spawned"):
        assert time.monotonic() < until
        time.sleep(0.1)
    run.process.send_signal(signal.SIGINT)
    assert run.code == 130, run.ended
    assert "all: goodput_ratio" in run.ended[0]
    assert run.summary["scenario"] == "constant"


def test_a_run_that_meets_its_objectives(runs: dict[str, Running], server: RunningServer) -> None:
    run = runs["passed"]
    assert run.code == 0, run.ended
    (steady,) = run.summary["phases"]
    assert steady["codes"] == {"OK": steady["sent"]}
    assert steady["sent"] > 0 and steady["goodput_ratio"] == 1.0 and steady["p50_ms"] > 0
    assert run.ended[0].rstrip().endswith("passed") and "all: goodput_ratio" in run.ended[0]
    # The server got requests for both models, for maps, and items of streams.
    for model in ("left", "right"):
        assert server.metric("vitscope_map_requests_total", model=model) > 0
    assert server.metric("grpc_server_started_total", grpc_method="ClassifyStream") > 0
    assert server.metric("grpc_server_started_total", grpc_method="Classify") > 0
    assert server.metric("vitscope_repeats_total") == 0


def test_its_report(runs: dict[str, Running]) -> None:
    run = runs["passed"]
    assert run.code == 0
    page = (run.report / "locust.html").read_text()
    for name in ("left classes", "left with maps", "right classes", "right with maps"):
        assert name in page
    assert (run.report / "summary.txt").read_text().rstrip().endswith("passed")


def test_a_ramp_goes_up_while_the_objectives_hold_and_names_the_knee(runs: dict[str, Running]) -> None:
    run = runs["ramp"]
    assert run.code == 0, run.ended
    assert [phase["load"] for phase in run.summary["phases"]] == [5, 10]
    assert run.summary["knee"] == 10
    assert "the knee: 10 requests/s" in run.ended[0]
    assert b"<svg" in (run.report / "knee.svg").read_bytes()


def test_refusals_of_a_full_server_are_no_errors(runs: dict[str, Running]) -> None:
    run = runs["overload"]
    assert run.code == 0, run.ended
    found = run.summary["phases"][1]
    assert found["phase"] == "overload" and found["load"] == 12
    assert set(found["codes"]) == {"OK", "RESOURCE_EXHAUSTED"} and found["error_ratio"] == 0
    # How many is a matter of speed: clients of a closed loop ask again as soon as they are refused.
    assert 0 < found["refusal_ratio"] < 1
    assert found["pushback_p50_ms"] > 0 and found["refusal_p99_ms"] > 0
    # In Locust's own report they have a row of their own, without failures.
    assert "unary, refused" in (run.report / "locust.html").read_text()


def test_a_run_that_misses_an_objective_fails(runs: dict[str, Running]) -> None:
    run = runs["sleepy"]
    assert run.code == 1, run.ended
    verdicts = {verdict["objective"]: verdict["passed"] for verdict in run.summary["verdicts"]}
    assert verdicts == {"p50_ms": False, "error_ratio": True}
    assert run.ended[0].rstrip().endswith("failed")


def test_a_slow_server_does_not_slow_an_open_loop_down(runs: dict[str, Running], sleepy: Sleepy) -> None:
    (steady,) = runs["sleepy"].summary["phases"]
    # 30 arrivals are expected, less five standard deviations. Clients that wait for replies would have sent one each.
    assert steady["sent"] > 5
    assert sleepy.most > 5  # greenlets do run at the same time
    assert steady["p50_ms"] >= DELAY * 990


def test_a_master_and_a_worker(runs: dict[str, Running]) -> None:
    master, worker = runs["master"], runs["worker"]
    assert master.code == 0, master.ended
    assert worker.code == 0, worker.ended
    (steady,) = master.summary["phases"]
    assert steady["sent"] > 5 and steady["codes"] == {"OK": steady["sent"]}
    assert not (worker.report / "summary.json").exists()


def test_no_process_is_left(runs: dict[str, Running]) -> None:
    for run in runs.values():
        assert run.ended
    reports = str(next(iter(runs.values())).report.parent)
    assert not [command for command in _commands() if reports in command]


def _commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended just now
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
