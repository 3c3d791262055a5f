"""The server among its callers: bad input, health, reflection, metrics, many clients, several models."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.conftest import FASHION
from tests.e2e.harness import RunningServer, numbered, run_server
from vitscope import Client, ClientError
from vitscope.client.result import Result
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SAMPLES = sorted((FASHION / "samples").glob("*.png"))


def request(data: bytes, **fields: object) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=data), **fields)  # type: ignore[arg-type]


def test_a_bad_image_in_the_middle_of_a_stream_fails_alone(server: RunningServer) -> None:
    images: list[bytes] = [path.read_bytes() for path in SAMPLES[:60]]
    images[30] = images[30][:200]
    with Client(server.address) as client:
        outcomes = dict(client.classify_many(images, model="fashion"))
    assert isinstance(outcomes[30], ClientError)
    assert "image.encoded" in str(outcomes[30])
    assert [index for index, outcome in outcomes.items() if not isinstance(outcome, Result)] == [30]


def test_a_bad_image_among_unary_calls_fails_alone(heavy_models: Path, photo: bytes) -> None:
    with RunningServer(heavy_models) as server, ThreadPoolExecutor(12) as pool:
        images = [photo[: len(photo) // 2] if number == 5 else numbered(photo, number) for number in range(12)]
        with Client(server.address) as client:
            answers = [pool.submit(client.classify, image) for image in images]
            for number, answer in enumerate(answers):
                if number == 5:
                    with pytest.raises(ClientError, match=r"image\.encoded"):
                        answer.result()
                else:
                    assert answer.result().classes


@pytest.mark.parametrize(
    ("bad", "code", "says"),
    [
        (
            classifier_pb2.ClassifyRequest(model="fashion"),
            "INVALID_ARGUMENT",
            "image: not set; accepted: image.encoded",
        ),
        (request(b"", model="fashion"), "INVALID_ARGUMENT", "image.encoded: 0 bytes"),
        (request(b"hello there", model="fashion"), "INVALID_ARGUMENT", "image.encoded: "),
        (request(b""), "INVALID_ARGUMENT", "model: empty; accepted: one of fashion, registers"),
        (request(b"", model="resnet"), "NOT_FOUND", "model 'resnet' is not served here; there is fashion, registers"),
        (request(b"", model="fashion", version=9), "NOT_FOUND", "model 'fashion' has no version 9; there is 1"),
        (
            request(b"", model="fashion", min_probability=1.5),
            "INVALID_ARGUMENT",
            "min_probability: 1.5; accepted: 0 to 1",
        ),
        (
            request(b"", model="fashion", maps=maps_pb2.MapOptions(layers=[99])),
            "INVALID_ARGUMENT",
            "maps.layers: 99; accepted: -6 to 5",
        ),
        (
            request(b"", model="fashion", maps=maps_pb2.MapOptions(dtype=77)),  # type: ignore[arg-type]
            "INVALID_ARGUMENT",
            "maps.dtype: 77; accepted: ",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_accepted(
    server: RunningServer, bad: classifier_pb2.ClassifyRequest, code: str, says: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.stub.Classify(bad, timeout=10)
    assert caught.value.code().name == code
    assert says in caught.value.details()


def test_a_message_over_the_limit_is_refused_and_the_connection_lives_on(models: Path) -> None:
    with RunningServer(models, "--max-message-mib", "1", "--max-image-mib", "0.9") as server:
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.Classify(request(bytes(2**20 + 1), model="fashion"), timeout=10)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert server.stub.Classify(request(SAMPLES[0].read_bytes(), model="fashion"), timeout=10).classes


def test_bytes_that_are_no_message_are_refused_and_what_came_before_is_answered(server: RunningServer) -> None:
    method = "/vitscope.v1.ClassifierService/"
    with pytest.raises(grpc.RpcError) as caught:
        server.channel.unary_unary(method + "Classify")(b"\xff\xff\xff", timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "request: bytes that cannot be parsed" in caught.value.details()
    good = classifier_pb2.ClassifyStreamRequest(request=request(SAMPLES[0].read_bytes(), model="fashion"))
    call = server.channel.stream_stream(method + "ClassifyStream")(iter([good.SerializeToString(), b"\xff\xff"]))
    answers = []
    with pytest.raises(grpc.RpcError) as caught:
        for answer in call:
            answers.append(answer)
    assert len(answers) == 1
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.of_level("error") == []


def test_a_reply_that_is_too_large_to_send_fails_alone(models: Path, photo: bytes) -> None:
    with RunningServer(models, "--max-message-mib", "1", "--max-image-mib", "0.9") as server:
        drawn = maps_pb2.MapOptions(all_heads=True, rendering=maps_pb2.RenderingOptions(size=1500))
        items = [
            classifier_pb2.ClassifyStreamRequest(
                request_id="large", request=request(photo, model="registers", maps=drawn)
            ),
            classifier_pb2.ClassifyStreamRequest(request_id="small", request=request(photo, model="registers")),
        ]
        answers = {answer.request_id: answer for answer in server.stub.ClassifyStream(iter(items), timeout=30)}
        assert answers["large"].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert "maps: a reply of " in answers["large"].error.message
        assert answers["small"].HasField("response")


def test_twenty_clients_at_once_each_get_their_own_answers(server: RunningServer) -> None:
    with Client(server.address) as client:
        expected = {path: client.classify(path, model="fashion").classes[0].label for path in SAMPLES}

    def one_client(number: int) -> int:
        with Client(server.address) as mine:
            order = SAMPLES[number:] + SAMPLES[:number]
            for path in order[:40]:
                assert mine.classify(path, model="fashion").classes[0].label == expected[path]
            return 40

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(one_client, range(20))) == 800


def test_two_models_answer_side_by_side(server: RunningServer, photo: bytes) -> None:
    with Client(server.address) as client:
        assert [(m.name, m.version) for m in client.list_models()] == [("fashion", 1), ("registers", 1)]
        alone = {name: client.classify(photo, model=name).classes for name in ("fashion", "registers")}

        def classify(number: int) -> bool:
            name = ("fashion", "registers")[number % 2]
            result = client.classify(photo, model=name)
            close = [abs(a.logit - b.logit) < 0.1 for a, b in zip(result.classes, alone[name], strict=True)]
            return result.model == name and all(close)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(classify, range(80)))


def test_health_is_told_overall_per_model_and_per_version(server: RunningServer) -> None:
    for service in ("", "fashion", "fashion/1", "registers"):
        assert server.check(service) == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        server.check("resnet")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert server.get("/healthz/live") == server.get("/healthz/ready") == "ok\n"


def test_reflection_lists_the_services(server: RunningServer) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    (reply,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10)
    names = {service.name for service in reply.list_services_response.service}
    assert names == {
        "vitscope.v1.ClassifierService", "vitscope.v1.ExplainService", "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }  # fmt: skip


def test_metrics_count_answers_batches_stages_and_refused_input(models: Path) -> None:
    with RunningServer(models) as server, Client(server.address) as client:
        for path in SAMPLES[:5]:
            client.classify(path, model="fashion", attention="last")
        with pytest.raises(ClientError):
            client.classify(b"nonsense", model="fashion")
        assert server.metric("vitscope_requests_total", model="fashion", code="OK") == 5
        assert server.metric("vitscope_requests_total", model="fashion", code="INVALID_ARGUMENT") == 1
        assert server.metric("vitscope_batch_size_sum", model="fashion", graph="classify") == 5
        assert server.metric("vitscope_map_requests_total", model="fashion", method="attention") == 5
        for stage in ("receive", "decode", "queue", "batch", "infer", "maps", "total"):
            assert server.metric("vitscope_stage_seconds_count", model="fashion", stage=stage) >= 5
        assert server.metric("vitscope_engine_info", model="fashion", version="1") == 1
        assert server.metric("vitscope_model_ready") == 2
        assert server.metric("vitscope_in_flight") == 0
        unary = {"grpc_type": "unary", "grpc_service": "vitscope.v1.ClassifierService", "grpc_method": "Classify"}
        assert server.metric("grpc_server_started_total", **unary) == 6
        assert server.metric("grpc_server_handled_total", grpc_code="OK", **unary) == 5
        assert server.metric("grpc_server_handling_seconds_count", **unary) == 6


def test_health_is_watched_through_a_shutdown(models: Path) -> None:
    with RunningServer(models, "--drain-seconds", "1") as server:
        seen: list[int] = []
        watch = server.health.Watch(health_pb2.HealthCheckRequest(service="fashion"))

        def follow() -> None:
            with contextlib.suppress(grpc.RpcError):
                seen.extend(update.status for update in watch)

        watcher = threading.Thread(target=follow)
        watcher.start()
        while not seen:
            time.sleep(0.01)
        server.terminate()
        watcher.join(timeout=20)
        assert seen == [SERVING, NOT_SERVING]


def test_a_second_server_on_the_port_fails_loudly(server: RunningServer, models: Path) -> None:
    port = server.address.rpartition(":")[2]
    second = run_server(models, "--host", "127.0.0.1", "--grpc-port", port, "--http-port", "0")
    assert second.returncode == 1
    assert f"grpc_port: 127.0.0.1:{port} cannot be listened on" in second.stderr
    port = server.http.rpartition(":")[2]
    second = run_server(models, "--host", "127.0.0.1", "--grpc-port", "0", "--http-port", port)
    assert second.returncode == 1
    assert f"http_port: 127.0.0.1:{port} cannot be listened on" in second.stderr


def test_print_config_prints_and_exits(models: Path) -> None:
    printed = run_server(models, "--max-batch", "4", "--print-config")
    assert printed.returncode == 0
    assert "max_batch = 4\n" in printed.stdout
