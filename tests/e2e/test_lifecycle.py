"""Starting, failing to start, and stopping under load."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.conftest import FASHION
from tests.e2e.harness import RunningServer, ServerProcess, numbered, run_server
from tests.server.decoding.files import large_png, tiff
from vitscope import Client, ClientError
from vitscope.client.result import Result
from vitscope.v1 import classifier_pb2

SAMPLES = sorted((FASHION / "samples").glob("*.png"))


def test_term_under_load_loses_no_request(models: Path) -> None:
    """Two replicas behind client-side load balancing; one is told to stop while eight clients keep both busy."""
    with RunningServer(models) as first, RunningServer(models, "--drain-seconds", "0.5") as second:
        failures: list[str] = []
        answered = [0] * 8
        stop = threading.Event()

        def load(number: int) -> None:
            with Client(f"{first.address},{second.address}") as client:
                while not stop.is_set():
                    try:
                        client.classify(SAMPLES[answered[number] % len(SAMPLES)], model="fashion")
                        answered[number] += 1
                    except ClientError as error:
                        failures.append(str(error))

        clients = [threading.Thread(target=load, args=(number,)) for number in range(8)]
        for client in clients:
            client.start()
        time.sleep(2)
        second.terminate()
        assert second.process.wait(timeout=30) == 0
        after = sum(answered)
        time.sleep(1)
        stop.set()
        for client in clients:
            client.join(timeout=30)
        assert failures == []
        assert after > 100
        assert sum(answered) > after  # the other replica carries on


def test_what_has_been_read_at_term_is_answered(heavy_models: Path, photo: bytes) -> None:
    flags = ("--max-queue-wait", "120", "--stream-window", "64")
    with RunningServer(heavy_models, *flags) as server, Client(server.address, timeout=60) as client:
        outcomes: list[object] = []
        reader = threading.Thread(
            target=lambda: outcomes.extend(
                o for _, o in client.classify_many([numbered(photo, n) for n in range(40)], window=40)
            )
        )
        reader.start()
        until = time.monotonic() + 20
        while server.metric("vitscope_in_flight") + server.metric("vitscope_requests_total") < 40:
            assert time.monotonic() < until
            time.sleep(0.01)
        server.terminate()
        reader.join(timeout=60)
        assert len(outcomes) == 40
        assert all(isinstance(outcome, Result) for outcome in outcomes), outcomes


def test_term_does_not_wait_for_an_image_that_takes_long(models: Path) -> None:
    """The caller has left; nothing but the image would keep the process."""
    png = large_png()
    with RunningServer(models) as server, Client(server.address, timeout=60) as client:
        client.classify(tiff(), model="fashion")
        slow = [threading.Thread(target=_leave_at_once, args=(server.address, png + bytes(n))) for n in range(4)]
        for thread in slow:
            thread.start()
        assert client.classify(SAMPLES[0], model="fashion").classes
        for thread in slow:
            thread.join()
        began = time.monotonic()
        server.terminate()
        assert server.process.wait(timeout=60) == 0
        assert time.monotonic() - began < 20


def _leave_at_once(address: str, image: bytes) -> None:
    with Client(address, timeout=0.5) as client, suppress(ClientError):
        client.classify(image, model="fashion")


def test_a_bundle_with_one_flipped_byte_is_not_served_and_the_others_are(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    weights = copy / "registers" / "1" / "graphs" / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with RunningServer(copy, errors=["model failed to load"]) as server:
        with Client(server.address) as client:
            states = {m.name: (m.state, m.state_detail) for m in client.list_models()}
            assert "weights.bin: changed since the export" in states["registers"][1]
            assert client.classify(SAMPLES[0], model="fashion").classes
            with pytest.raises(ClientError, match=r"registers/1 is failed: .*weights.bin: changed"):
                client.classify(SAMPLES[0], model="registers")
        assert server.check("fashion") == 1
        assert server.check("registers") == 2


def test_when_no_bundle_can_be_served_the_server_ends_and_says_why(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(models / "registers", copy / "registers")
    (copy / "registers/1/certificate.json").unlink()
    ended = run_server(copy, "--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0")
    assert ended.returncode == 1
    assert "certificate.json: missing" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_bundles_is_named(tmp_path: Path, folder: str) -> None:
    ended = run_server(tmp_path / folder, "--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0")
    assert ended.returncode == 1
    assert "<name>/<version>/manifest.json" in ended.stderr.splitlines()[-1]


def test_term_while_loading_ends_at_once(heavy_models: Path) -> None:
    with ServerProcess(heavy_models) as server:
        server.wait_for("threads planned")
        began = time.monotonic()
        server.terminate()
        assert server.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 20
    assert "serving" not in {event["event"] for event in server.events}


def test_watchers_and_idle_streams_do_not_hold_up_a_shutdown(models: Path) -> None:
    with RunningServer(models, "--grace-seconds", "60") as server:
        watch = server.health.Watch(health_pb2.HealthCheckRequest())
        next(watch)
        never = threading.Event()

        def silent() -> Iterator[classifier_pb2.ClassifyStreamRequest]:
            never.wait()
            yield from ()

        stream = server.stub.ClassifyStream(silent())
        until = time.monotonic() + 10
        while server.metric("grpc_server_started_total", grpc_method="ClassifyStream") < 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        began = time.monotonic()
        server.terminate()
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 20
        never.set()
