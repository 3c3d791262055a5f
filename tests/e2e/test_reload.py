"""Models that come, change and go while clients ask."""

import itertools
import json
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.bundle.copies import copy_bundle
from tests.e2e.harness import RunningServer, numbered
from vitscope.cli import main
from vitscope.v1 import admin_pb2, admin_pb2_grpc, classifier_pb2, classifier_pb2_grpc, image_pb2, maps_pb2, model_pb2

SERVING, NOT_SERVING = 1, 2
_numbers = itertools.count()


class Live:
    """A server that watches a folder of its own: fashion/1 and registers/1."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        (self.where,) = (event["admin"] for event in server.events if event["event"] == "serving")
        self.channel = grpc.insecure_channel(self.where)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)

    def states(self) -> dict[str, int]:
        models = self.server.stub.ListModels(classifier_pb2.ListModelsRequest(), timeout=20).models
        return {f"{model.name}/{model.version}": model.state for model in models}

    def ready(self) -> set[str]:
        return {name for name, state in self.states().items() if state == model_pb2.MODEL_STATE_READY}

    def count(self, event: str, **fields: object) -> int:
        return sum(e["event"] == event and fields.items() <= e.items() for e in list(self.server.events))


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def live(models: Path, server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    # The other server has measured the engines and kept that in the bundles, so their copies are not measured again.
    folder = tmp_path_factory.mktemp("live")
    for name in ("fashion", "registers"):
        shutil.copytree(models / name, folder / name)
    flags = ("--watch-seconds", "0.1", "--admin-address", "127.0.0.1:0", "--max-queue-wait", "30")
    with RunningServer(folder, *flags) as running:
        live = Live(running, folder)
        yield live
        live.channel.close()


class Clients:
    """Seven clients that classify with fashion all the time, without retries.

    Four send single requests, one of them for all layers' maps and one for version 1; three send streams.
    """

    def __init__(self, address: str, photo: bytes) -> None:
        self.expected = {"1"}
        """Versions that may answer, which are also the prefixes of their labels."""
        self.wrong: list[str] = []
        self.answers = 0
        self._photo, self._stop = photo, threading.Event()
        self._channels = [grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(7)]
        self._threads = [
            threading.Thread(target=self._ask, args=(n, channel)) for n, channel in enumerate(self._channels)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        for channel in self._channels:
            channel.close()

    def more(self, answers: int = 40) -> None:
        """Wait for so many more answers."""
        target = self.answers + answers
        until(lambda: self.answers >= target or self.wrong)
        assert self.wrong == []

    def _ask(self, number: int, channel: grpc.Channel) -> None:
        stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
        try:
            if number >= 4:
                self._stream(stub)
            while not self._stop.is_set():
                expected = self.expected
                request = self._request(version=1 if number == 1 else 0)
                if number == 0:
                    request.maps.CopyFrom(maps_pb2.MapOptions(all_layers=True))
                self._check(stub.Classify(request, timeout=60), expected, any_version=number == 1)
        except Exception as error:
            self.wrong.append(repr(error))

    def _stream(self, stub: classifier_pb2_grpc.ClassifierServiceStub) -> None:
        expected: dict[str, set[str]] = {}
        room = threading.Semaphore(4)

        def items() -> Iterator[classifier_pb2.ClassifyStreamRequest]:
            while not self._stop.is_set():
                room.acquire()
                item = classifier_pb2.ClassifyStreamRequest(request_id=str(next(_numbers)), request=self._request())
                expected[item.request_id] = self.expected
                yield item

        for answer in stub.ClassifyStream(items()):
            room.release()
            if answer.HasField("error"):
                self.wrong.append(answer.error.message)
            else:
                self._check(answer.response, expected.pop(answer.request_id))
        if expected:
            self.wrong.append(f"a stream ended with {len(expected)} items unanswered")

    def _request(self, version: int = 0) -> classifier_pb2.ClassifyRequest:
        image = image_pb2.Image(encoded=numbered(self._photo, next(_numbers)))
        return classifier_pb2.ClassifyRequest(image=image, model="fashion", version=version, top_k=1)

    def _check(self, answer: classifier_pb2.ClassifyResponse, before: set[str], any_version: bool = False) -> None:
        label = answer.classes[0].label
        who = f"{answer.version}{'*' if label.startswith('*') else ''}"
        if any_version and answer.version != 1:
            self.wrong.append(f"{who} answered, 1 was asked for")
        if not any_version and who not in before | self.expected:
            self.wrong.append(f"{who} answered, expected {before} or {self.expected}")
        self.answers += 1


def test_models_change_under_load_and_no_request_is_lost(live: Live, photo: bytes) -> None:
    server, folder, source = live.server, live.folder, live.folder / "fashion/1"
    with Clients(server.address, photo) as clients:
        clients.more()

        clients.expected = {"1", "2"}
        copy_bundle(source, folder / "fashion/2")
        until(lambda: "fashion/2" in live.ready())
        clients.expected = {"2"}
        clients.more()
        assert server.check("fashion/2") == SERVING

        clients.expected = {"1", "2"}
        shutil.rmtree(folder / "fashion/2")
        until(lambda: "fashion/2" not in live.states())
        clients.expected = {"1"}
        clients.more()
        assert (server.check("fashion/2"), server.check("fashion/1"), server.check("fashion")) == (2, 1, 1)
        until(lambda: live.count("engine retired", lane="fashion/2 classify") == 1)
        until(lambda: live.count("engine retired", lane="fashion/2 attention") == 1)
        until(lambda: 'model="fashion",version="2"' not in server.get("/metrics"))

        clients.expected = {"1", "1*"}
        copy_bundle(source, folder / "fashion/1", prefix="*")
        until(lambda: live.count("engine retired", lane="fashion/1 classify") == 1)
        clients.expected = {"1*"}
        clients.more()
        assert server.metric("vitscope_model_ready", model="fashion", version="1") == 1

        (again,) = live.admin.ReloadModel(admin_pb2.ReloadModelRequest(model="fashion"), timeout=60).models
        assert (again.version, again.state) == (1, model_pb2.MODEL_STATE_READY)
        until(lambda: live.count("engine retired", lane="fashion/1 classify") == 2)
        live.admin.UnloadModel(admin_pb2.UnloadModelRequest(model="registers"), timeout=60)
        assert live.states() == {"fashion/1": model_pb2.MODEL_STATE_READY}
        clients.more()
    assert clients.wrong == []
    assert server.check("registers") == NOT_SERVING
    assert 'model="registers"' not in server.get("/metrics")
    assert server.metric("vitscope_requests_total") == server.metric("vitscope_requests_total", code="OK")
    live.admin.LoadModel(admin_pb2.LoadModelRequest(model="registers"), timeout=60)
    assert server.check("registers") == SERVING


def test_the_admin_command(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    def admin(*arguments: str) -> tuple[int, str, str]:
        status = main(["admin", *arguments, "--server", live.where])
        return status, *capsys.readouterr()

    def listed() -> dict[str, str]:
        status, out, _ = admin("list", "--json")
        assert status == 0
        return {f"{m['name']}/{m['version']}": m["state_detail"] for m in map(json.loads, out.splitlines())}

    copy_bundle(live.folder / "registers/1", live.folder / "registers/2")
    status, out, _ = admin("load", "registers")
    assert (status, out.splitlines()[1].split()[:3]) == (0, ["registers", "2", "ready"])
    status, out, _ = admin("unload", "registers/2")
    assert (status, out.splitlines()[1].split()[:3]) == (0, ["registers", "2", "unloaded"])
    assert listed()["registers/2"] == "unloaded by hand"
    status, out, _ = admin("reload", "registers")
    assert (status, out.splitlines()[1].split()[:3]) == (0, ["registers", "1", "ready"])
    assert admin("load", "registers/9") == (
        2,
        "",
        "vitscope admin: model 'registers' has no version 9 in the models folder; there is 1, 2\n",
    )
    shutil.rmtree(live.folder / "registers/2")
    until(lambda: "registers/2" not in listed())


def test_the_admin_address_has_health_and_reflection_and_not_the_classifier(live: Live) -> None:
    health = health_pb2_grpc.HealthStub(live.channel)
    assert health.Check(health_pb2.HealthCheckRequest(service="fashion"), timeout=20).status == SERVING
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    reflection = reflection_pb2_grpc.ServerReflectionStub(live.channel)
    (answer,) = reflection.ServerReflectionInfo(iter([ask]), timeout=20)
    names = {service.name.rpartition(".")[2] for service in answer.list_services_response.service}
    assert names == {"AdminService", "Health", "ServerReflection"}
    with pytest.raises(grpc.RpcError) as caught:
        classifier_pb2_grpc.ClassifierServiceStub(live.channel).ListModels(
            classifier_pb2.ListModelsRequest(), timeout=20
        )
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_server_without_the_service_says_how_to_get_it(
    live: Live, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["admin", "list", "--server", live.server.address]) == 2
    assert "has no admin service: it is off, or on an address of its own" in capsys.readouterr().err
    assert main(["admin", "list", "--server", f"127.0.0.1:{unused_tcp_port}"]) == 2
    assert "off unless the server is started with --admin-address" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["admin", "load", "fashion/new"])
    assert "'fashion/new'; accepted: NAME or NAME/VERSION" in capsys.readouterr().err


def test_a_bundle_that_cannot_be_loaded_is_reported_everywhere(live: Live, tmp_path: Path) -> None:
    """The server is the test's own, keeps one version, and has its admin service on a socket private to its owner."""
    folder, socket = tmp_path / "models", tmp_path / "admin"
    copy_bundle(live.folder / "fashion/1", folder / "fashion/1")
    flags = ("--watch-seconds", "0.1", "--keep-versions", "1", "--admin-address", f"unix:{socket}")
    with RunningServer(folder, *flags, errors=["model failed to load"]) as server:
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert server.get("/healthz/ready") == "ok\n"
        copy_bundle(live.folder / "fashion/1", folder / "fashion/2")
        (folder / "fashion/2/certificate.json").write_text("{}")
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            admin = admin_pb2_grpc.AdminServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                admin.LoadModel(admin_pb2.LoadModelRequest(model="fashion"), timeout=60)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "fashion/2/certificate.json: changed since the export" in caught.value.details()
        first, second = server.get("/healthz/ready").splitlines()
        assert first == "ok"
        assert second.startswith("fashion/2: failed: ")
        assert server.metric("vitscope_model_loads_total", result="failed") >= 1
        assert server.metric("vitscope_model_loads_total", result="ready") == 1
        assert (server.check("fashion/1"), server.check("fashion/2"), server.check("fashion")) == (1, 2, 1)
