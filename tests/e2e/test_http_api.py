"""The JSON API of a running server: the answers of gRPC, in every form of request, and every refusal."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from urllib3.filepost import encode_multipart_formdata

from tests.e2e.harness import ROOT, RunningServer, numbered
from tests.http1 import Reply, Socket, head, until
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

CLASSIFY = "/api/v1/classify"
JPEG = "image/jpeg"
PROBLEM = "application/problem+json"


def post(server: RunningServer, body: bytes, kind: str, query: str = "model=fashion", **headers: str) -> Reply:
    with Socket(server.http) as client:
        return client.request("POST", f"{CLASSIFY}?{query}", body, Content_Type=kind, **headers)


def get(server: RunningServer, path: str, method: str = "GET", **headers: str) -> Reply:
    with Socket(server.http) as client:
        return client.request(method, path, **headers)


def comparable(reply: Any) -> Any:
    return {name: value for name, value in reply.items() if name not in ("timing", "activation")}


def test_every_form_of_request_has_the_answer_of_grpc(server: RunningServer, photo: bytes) -> None:
    maps = maps_pb2.MapOptions(layers=[-1, 0], all_heads=True)
    asked = classifier_pb2.ClassifyRequest(
        model="registers", image=image_pb2.Image(encoded=photo), top_k=3, min_probability=0.001, maps=maps
    )
    reply = server.stub.Classify(asked, timeout=30)
    expected = MessageToDict(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for each in expected["maps"]:
        each |= {"method": "attention", "dtype": "float32"}
    expected["geometry"]["resize_mode"] = "shortest_edge"
    query = "model=registers&top_k=3&min_probability=0.001&maps.layers=-1,0&maps.all_heads=true"
    fields = {
        "model": "registers",
        "top_k": 3,
        "min_probability": 0.001,
        "maps": {"layers": [-1, 0], "all_heads": True},
    }
    whole = json.dumps({"image": {"encoded": base64.b64encode(photo).decode()}, **fields}).encode()
    form = [("image", ("photo.jpg", photo, JPEG)), *((name, value) for name, value in _pairs(query))]
    body, kind = encode_multipart_formdata(form)
    replies = [
        post(server, photo, JPEG, query),
        post(server, photo, "application/octet-stream", query),
        post(server, whole, "application/json", ""),
        post(server, body, kind, ""),
    ]
    for found in replies:
        assert (found.status, found.headers["content-type"]) == (200, "application/json"), found.body
        assert comparable(found.json) == comparable(expected)
        assert found.json["activation"] == "softmax"
        assert found.json["timing"]["total_seconds"] > 0


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]


def test_models_are_those_of_grpc(server: RunningServer) -> None:
    listed = server.stub.ListModels(classifier_pb2.ListModelsRequest(), timeout=30)
    assert [each["name"] for each in get(server, "/api/v1/models").json["models"]] == [m.name for m in listed.models]
    model = server.stub.GetModel(classifier_pb2.GetModelRequest(model="fashion"), timeout=30).model
    for path in ("/api/v1/models/fashion", "/api/v1/models/fashion/1", "/api/v1/models/fashion/0"):
        found = get(server, path).json["model"]
        assert (found["labels"], found["methods"]) == (list(model.labels), list(model.methods))
        assert found["provenance"]["weights_sha256"] == model.provenance.weights_sha256
        assert found["summary"]["state"] == "ready" and found["input"]["resize_mode"] == "squash"


def test_maps_come_as_lists_and_as_pictures(server: RunningServer, photo: bytes) -> None:
    query = "model=fashion&maps.rendering.kind=heat_map&maps.rendering.size=64&values=lists&top_k=1"
    (found,) = post(server, photo, JPEG, query).json["maps"]
    assert len(found["values"]) == found["rows"] and {len(row) for row in found["values"]} == {found["cols"]}
    assert abs(sum(map(sum, found["values"])) - found["stats"]["sum"]) < 1e-5
    assert base64.b64decode(found["rendering"]["data"]).startswith(b"\x89PNG")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_line_of_the_readme(server: RunningServer, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    line = next(each for each in (ROOT / "README.md").read_text().splitlines() if "curl -F" in each and "api" in each)
    address = server.http.removeprefix("http://")
    words = line.partition("#")[0].replace("localhost:8501", address).split()
    found = subprocess.run([*words, "-F", "model=fashion", "--silent"], cwd=tmp_path, capture_output=True, check=True)
    assert len(json.loads(found.stdout)["classes"]) == 5


@pytest.mark.parametrize(
    ("query", "status", "code", "detail"),
    [
        ("model=fashion&top_k=x", 400, "INVALID_ARGUMENT", 'top_k: "x"; accepted: a whole number from 0 to 4294967295'),
        ("model=fashion&tops=1", 400, "INVALID_ARGUMENT", "tops: there is no such field"),
        ("model=fashion&maps.layers=9", 400, "INVALID_ARGUMENT", "maps.layers: 9; accepted: -6 to 5"),
        ("model=fashion&maps.layers=1&maps.all_layers=true", 400, "INVALID_ARGUMENT", "maps.layers: 1 of them beside"),
        ("model=fashion&timeout=soon", 400, "INVALID_ARGUMENT", 'timeout: "soon"; accepted: seconds, above 0'),
        ("model=fashion&timeout=0", 400, "INVALID_ARGUMENT", 'timeout: "0"; accepted: seconds, above 0'),
        ("model=fashion&values=csv", 400, "INVALID_ARGUMENT", 'values: "csv"; accepted: base64 or lists'),
        ("", 400, "INVALID_ARGUMENT", "model: "),
        ("model=none", 404, "NOT_FOUND", "model 'none' is not served here; there is fashion, registers"),
        ("model=fashion&version=7", 404, "NOT_FOUND", "model 'fashion' has no version 7"),
        ("model=fashion&timeout=0.000001", 504, "DEADLINE_EXCEEDED", "the deadline passed before the request was"),
    ],
)
def test_refusals_have_the_words_of_grpc(
    server: RunningServer, photo: bytes, query: str, status: int, code: str, detail: str
) -> None:
    found = post(server, photo, JPEG, query)
    assert (found.status, found.headers["content-type"]) == (status, PROBLEM)
    assert (found.json["status"], found.json["code"]) == (status, code)
    assert found.json["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b"", JPEG, 400, "image.encoded: 0 bytes; accepted: a whole JPEG"),
        (b"not an image", JPEG, 400, "image.encoded: "),
        (b"a=b", "application/x-www-form-urlencoded", 415, "Content-Type: application/x-www-form-urlencoded; accepted"),
        (b"{}", "application/json", 400, "image: not set; accepted: image.encoded"),
        (b"[", "application/json", 400, "body: no JSON"),
        (b'{"model": "fashion"}', "application/json", 400, "model: given in the query and in the body"),
        (b'{"image": {"raw": {"width": 2}}}', "application/json", 400, "image.raw.height: 0; accepted: at least 1"),
        (b"--x", "multipart/form-data; boundary=x", 400, "body: a form that cannot be read"),
        (b"--x--", "multipart/form-data; boundary=x", 400, "image: not set"),
    ],
)
def test_bodies_that_are_not_one(server: RunningServer, body: bytes, kind: str, status: int, detail: str) -> None:
    found = post(server, body, kind)
    assert (found.status, found.headers["content-type"]) == (status, PROBLEM)
    assert found.json["detail"].startswith(detail), found.json


def test_methods_and_paths_that_are_not_there(server: RunningServer) -> None:
    for method, path, allowed in [
        ("GET", CLASSIFY, "POST, OPTIONS"),
        ("DELETE", "/api/v1/models", "GET, HEAD, OPTIONS"),
        ("PUT", "/api/docs", "GET, HEAD, OPTIONS"),
    ]:
        found = get(server, path, method)
        assert (found.status, found.headers["allow"]) == (405, allowed)
        assert found.json["detail"] == f"method: {method}; accepted: {allowed}"
    for path in ("/api", "/api/", "/api/v2/classify", "/api/v1/models/", "/api/v1/models/a/1/x", "/api/v1/../../etc"):
        assert (get(server, path).status, get(server, path).headers["content-type"]) == (404, PROBLEM)
    for name in ("%00", "%ff", "..%2f..%2fetc", "a" * 5000, "%F0%9F%90%88"):
        found = get(server, f"/api/v1/models/{name}")
        assert (found.status == 404 and "is not served here" in found.json["detail"]) or found.json["detail"][-1] == "…"
    assert get(server, "/api/v1/models/fashion/one").json["field"] == "version"
    assert get(server, "/api/v1/models?name=x").status == 400


def test_head_has_the_header_of_get(server: RunningServer) -> None:
    with Socket(server.http) as client:
        for path in ("/api/v1/models", "/api/docs", "/api/openapi.json", "/healthz/ready", "/api/none"):
            whole, alone = client.request("GET", path), client.request("HEAD", path)
            assert (alone.status, alone.body) == (whole.status, b"")
            assert alone.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))


def test_pages_of_other_origins_are_refused_unless_they_are_allowed(server: RunningServer, photo: bytes) -> None:
    def asked(origin: str) -> Reply:
        return post(server, photo, JPEG, Origin=origin)

    assert asked("http://test").status == 200  # the Host of these requests
    for origin in ("http://evil.example", "null", "http://test.evil.example", "http://"):
        found = asked(origin)
        assert (found.status, found.json["code"]) == (403, "PERMISSION_DENIED")
        assert "access-control-allow-origin" not in found.headers
    assert get(server, CLASSIFY, "OPTIONS", Origin="http://evil.example").status == 403
    assert get(server, CLASSIFY, "OPTIONS").headers["allow"] == "POST, OPTIONS"


def test_origins_can_be_allowed_the_explorer_switched_off_and_the_end_is_orderly(models: Path, photo: bytes) -> None:
    flags = ["--http-origins", "https://a.example, http://b.example:8080", "--no-explorer"]
    with RunningServer(models, *flags) as server:
        assert get(server, "/").status == get(server, "/explorer/app.js").status == 404
        found = post(server, photo, JPEG, Origin="http://b.example:8080")
        assert (found.status, found.headers["access-control-allow-origin"]) == (200, "http://b.example:8080")
        assert found.headers["vary"] == get(server, "/api/v1/models").headers["vary"] == "Origin"
        asked = get(server, CLASSIFY, "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="POST")
        assert asked.headers["access-control-allow-headers"] == "Content-Type, X-Request-Timeout"
        assert post(server, photo, JPEG, Origin="http://c.example").status == 403
        with Socket(server.http) as slow, Socket(server.http) as idle:
            slow.send(head("POST", f"{CLASSIFY}?model=fashion", len(photo), Content_Type=JPEG) + photo[:-1])
            until(lambda: server.metric("vitscope_in_flight") == 1, "it has a place")
            assert idle.request("GET", "/api/v1/models").status == 200
            server.terminate()
            server.wait_for("draining")
            until(lambda: idle.request("GET", "/api/v1/models").status == 503, "no new ones are taken")
            slow.send(photo[-1:])
            assert slow.reply().status == 200
            assert server.process.wait(timeout=30) == 0


def test_the_api_can_be_switched_off_and_metrics_have_a_port_of_their_own(models: Path) -> None:
    with RunningServer(models, "--no-http-api", "--metrics-port", "0") as server:
        assert get(server, "/api/v1/models").status == get(server, "/metrics").status == 404
        server.http = f"http://{server.serving['metrics']}"
        assert get(server, "/healthz/ready").body.startswith(b"ok")
        assert get(server, "/metrics").status == 200


def test_documentation_needs_nothing_from_elsewhere(server: RunningServer) -> None:
    page = get(server, "/api/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
    for path in ("/api/docs.js", "/api/docs.css", "/api/openapi.json"):
        found = get(server, path)
        assert found.status == 200 and path.encode() in page.body
        assert b"http://" not in found.body.replace(b"http://localhost", b"") and b"https://" not in found.body
    assert get(server, "/api/openapi.json").json["openapi"] == "3.1.0"


def test_requests_are_counted(server: RunningServer, photo: bytes) -> None:
    def counted() -> tuple[float, float]:
        return (
            server.metric("vitscope_http_requests_total", route=CLASSIFY, status="200"),
            server.metric("vitscope_requests_total", model="fashion", code="OK"),
        )

    before = counted()
    assert post(server, numbered(photo, 1), JPEG).status == 200
    assert counted() == (before[0] + 1, before[1] + 1)
    assert server.metric("vitscope_http_request_seconds_count", route=CLASSIFY) >= 1
    assert server.metric("vitscope_in_flight") == 0
