"""A real Envoy with the configuration that compose mounts, in front of real servers."""

import io
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import yaml
from PIL import Image

from tests.deploy.balancer import CONFIG, PLACES, Replica, Service, moved
from tests.deploy.callers import Load, bare_channel, image, request
from tests.deploy.compose import services
from tests.deploy.monitoring import eventually
from vitscope import Client
from vitscope.client.result import Result
from vitscope.v1 import classifier_pb2_grpc


@pytest.fixture(scope="module")
def service(
    models: Path, tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[Service]:
    with ExitStack() as stack:
        yield Service(models, tmp_path_factory.mktemp("envoy"), unused_tcp_port_factory, stack)


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.envoy.grpc, timeout=30) as client:
        yield client


@pytest.fixture
def bare(service: Service) -> Iterator[classifier_pb2_grpc.ClassifierServiceStub]:
    """A stub without retries, on a connection of its own."""
    with bare_channel(service.envoy.grpc) as channel:
        yield classifier_pb2_grpc.ClassifierServiceStub(channel)


def leaves(tree: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    if isinstance(tree, dict):
        return {key: leaf for name in tree for key, leaf in leaves(tree[name], (*path, name)).items()}
    if isinstance(tree, list):
        return {key: leaf for i, item in enumerate(tree) for key, leaf in leaves(item, (*path, i)).items()}
    return {path: tree}


def test_the_tested_configuration_differs_from_the_mounted_one_only_in_addresses() -> None:
    mounted = leaves(yaml.safe_load(CONFIG.read_text()))
    tested = leaves(moved(yaml.safe_load(CONFIG.read_text()), count(1).__next__, 99, 53))
    changed = {path for path in mounted if mounted[path] != tested[path]}
    assert {path[-1] for path in changed} == {"address", "port_value"}
    assert {path[0] for path in tested.keys() - mounted.keys()} == {"typed_dns_resolver_config"}


def test_calls_go_to_every_replica(service: Service, client: Client) -> None:
    before = service.answered()
    for _ in range(60):
        client.classify(image(), model="fashion")
    gained = np.subtract(service.answered(), before)
    assert gained.sum() == 60
    assert (gained >= 10).all(), gained


def test_a_stream_gets_all_its_answers(client: Client) -> None:
    answers = dict(client.classify_many((image() for _ in range(200)), model="fashion"))
    assert sorted(answers) == list(range(200))
    assert all(isinstance(answer, Result) for answer in answers.values())


def test_a_photo_of_20_mib_passes(client: Client) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2640, 2640, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    assert 19.9 < file.tell() / 2**20 < 20
    assert client.classify(file.getvalue(), model="fashion").classes


def test_refusals_and_their_trailers_pass_unchanged_and_are_not_retried(
    service: Service, bare: classifier_pb2_grpc.ClassifierServiceStub
) -> None:
    before = sum(service.answered("RESOURCE_EXHAUSTED"))
    refused = _refused(bare)
    assert sum(service.answered("RESOURCE_EXHAUSTED")) - before == len(refused)
    for call in refused:
        assert re.fullmatch(
            r"\d+ requests are in flight, .*; estimated wait \d+ ms, retry after \d+ ms", call.details()
        )
        trailers = dict(call.trailing_metadata())
        assert trailers.keys() - {"date"} == {"grpc-retry-pushback-ms", "vitscope-estimated-wait-ms"}
        assert int(trailers["grpc-retry-pushback-ms"]) > 0


def _refused(stub: classifier_pb2_grpc.ClassifierServiceStub) -> list[Any]:
    """Send a burst of calls. Returns those that were refused."""
    calls = [stub.Classify.future(request(1000), timeout=30) for _ in range(3 * PLACES)]
    codes = Counter(call.code() for call in calls)
    assert codes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}, codes
    return [call for call in calls if call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED]


def test_callers_are_told_apart(service: Service, bare: classifier_pb2_grpc.ClassifierServiceStub) -> None:
    """A client that fills all the places of a caller leaves the places of others free."""
    done, refused = threading.Event(), []

    def flood() -> None:
        while not done.is_set():
            refused.append(len(_refused(bare)))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        with bare_channel(service.envoy.grpc) as channel:
            stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
            eventually(lambda: sum(refused), "the flood was never refused")
            assert all(stub.Classify(request(), timeout=30).classes for _ in range(10))
    finally:
        done.set()
        thread.join()


def test_prometheus_can_scrape_the_balancer_and_its_administration_is_not_reachable(service: Service) -> None:
    assert service.envoy.gauge("envoy_cluster_membership_healthy") == 2
    assert service.envoy.gauge("envoy_cluster_upstream_rq_total") > 0
    for path in ("/", "/quitquitquit", "/config_dump", "/stats"):
        with pytest.raises(OSError, match="404"):
            service.envoy.get(path)


def test_the_health_check_of_the_container_works(service: Service, unused_tcp_port: int) -> None:
    _, *command = services()["envoy"]["healthcheck"]["test"]
    *_, port = service.envoy.metrics.split(":")
    assert _run(command, "9902", port) == 0
    assert _run(command, "9902", str(unused_tcp_port)) != 0


def _run(command: list[str], old: str, new: str) -> int:
    assert any(old in word for word in command)
    moved = [word.replace(old, new) for word in command]
    return subprocess.run(moved, capture_output=True, timeout=10, check=False).returncode


def test_no_request_is_lost_while_servers_start_die_and_drain(
    service: Service, bare: classifier_pb2_grpc.ClassifierServiceStub
) -> None:
    (first, second), healthy = service.replicas, "envoy_cluster_membership_healthy"
    with Load(service.envoy.grpc) as load:
        third = service.add()
        eventually(third.answered, "the new replica got no request")
        first.freeze()
        calls = [bare.Classify.future(request(), timeout=30) for _ in range(24)]
        eventually(lambda: sum(call.done() for call in calls) >= 8, "the other servers do not answer")
        first.kill()
        # Envoy does not retry a call that a server has started; the Python client does.
        assert {call.code() for call in calls} == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        eventually(lambda: service.envoy.gauge(healthy) == 2, "the killed server still gets requests")
        second.terminate()
        eventually(lambda: service.envoy.gauge(healthy) == 1, "the server that drains still gets requests")
        load.more()
        sent, started = load.single, _started(third)
        load.more()
        # The server that drains got none of these. Three may have been on their way to it.
        assert _started(third) - started >= load.single - sent - 3
        eventually(lambda: second.process.poll() is not None, "the server did not end")
        load.more()
    assert load.failures == []
    assert (second.process.returncode, second.of_level("error")) == (0, [])


def _started(replica: Replica) -> float:
    return replica.metric("grpc_server_started_total", grpc_method="Classify")
