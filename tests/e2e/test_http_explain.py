"""What is inside of the encoder over HTTP: the values of gRPC, every refusal, readers that are slow or leave."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from urllib3.filepost import encode_multipart_formdata

from tests.arrays import KIND, parts, split
from tests.e2e.harness import RunningServer, numbered
from tests.http1 import Reply, Socket, head, until
from vitscope.v1 import explain_pb2, explain_pb2_grpc, image_pb2, maps_pb2

PATH = "/api/v1/explain"
JPEG = {"Content_Type": "image/jpeg"}
PROBLEM = "application/problem+json"
LAYERS, HEADS, TOKENS = 3, 6, 197
EVERYTHING = "matrices,rows,columns,queries,keys,values,token_norms,lens,rollout,updates"
# 4.9 MiB, more than the kernel takes for a client that reads nothing.
LARGE = "parts=matrices,keys,values"


@pytest.fixture(scope="module")
def server(heavy_models: Path) -> Iterator[RunningServer]:
    """All matrices of its model take 2.7 MiB, everything that it computes of an image 5.5 MiB."""
    limits = ["--max-in-flight-mib", "16", "--max-explain-mib", "5", "--max-message-mib", "2", "--max-image-mib", "1"]
    with RunningServer(heavy_models, *limits, "--max-receive-seconds", "3") as running:
        yield running


def explain(server: RunningServer, photo: bytes, query: str, **headers: str) -> Reply:
    with Socket(server.http) as client:
        return client.request("POST", f"{PATH}?{query}", photo, **(JPEG | headers))


def over_grpc(server: RunningServer, photo: bytes, **fields: Any) -> tuple[Any, bytes]:
    """Return the header, and the values of all pieces one after another."""
    asked = explain_pb2.ExplainRequest(image=image_pb2.Image(encoded=photo), **fields)
    first, *pieces = explain_pb2_grpc.ExplainServiceStub(server.channel).Explain(asked, timeout=60)
    fields = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return MessageToDict(first.header, **fields), b"".join(one.piece.values for one in pieces)


def test_every_form_of_request_has_the_values_of_grpc(server: RunningServer, photo: bytes) -> None:
    names = [f"EXPLAIN_PART_{name.upper()}" for name in EVERYTHING.split(",")]
    expected, values = over_grpc(
        server, photo, parts=names, layers=[-1, 0], heads=[4, 1], tokens=[0, 50], lens_classes=[1], top_k=2,
        rollout=maps_pb2.RolloutOptions(discard=0.5, from_layer=1),
    )  # fmt: skip
    fields: dict[str, str] = {
        "parts": EVERYTHING, "layers": "-1,0", "heads": "4,1", "tokens": "0,50", "lens_classes": "1", "top_k": "2",
        "rollout.discard": "0.5", "rollout.from_layer": "1",
    }  # fmt: skip
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    whole = {
        "image": {"encoded": base64.b64encode(photo).decode()}, "parts": EVERYTHING.split(","), "layers": [-1, 0],
        "heads": [4, 1], "patches": [], "tokens": [0, 50], "lens_classes": [1], "top_k": 2, "piece_bytes": 5000,
        "rollout": {"discard": 0.5, "from_layer": 1},
    }  # fmt: skip
    body, kind = encode_multipart_formdata([("image", ("photo.jpg", photo, "image/jpeg")), *fields.items()])
    replies = [
        explain(server, photo, query),
        explain(server, photo, query, Content_Type="application/octet-stream"),
        explain(server, json.dumps(whole).encode(), "", Content_Type="application/json"),
        explain(server, body, "", Content_Type=kind),
    ]
    for reply in replies:
        assert (reply.status, reply.headers["content-type"]) == (200, KIND), reply.body
        assert int(reply.headers["content-length"]) == len(reply.body)
        found, arrays = split(reply.body)
        assert arrays == values
        assert found["total_bytes"] == len(values) == int(expected["total_bytes"])
        assert found["parts"][0]["offset"] == 0 and sum(each["bytes"] for each in found["parts"]) == len(values)
        for mine, theirs in zip(found["parts"], expected["parts"], strict=True):
            assert {"part": f"EXPLAIN_PART_{mine.pop('part').upper()}", **mine} == theirs | {
                "offset": mine["offset"], "bytes": mine["bytes"]
            }  # fmt: skip
        for name in ("classes", "tokens", "layers", "heads", "model", "version"):
            assert found[name] == expected[name], name
        assert (found["activation"], found["dtype"]) == ("softmax", "float32")
        assert found["timing"]["total_seconds"] > 0


def test_blocks_stand_where_the_head_says(server: RunningServer, photo: bytes) -> None:
    found = parts(*split(explain(server, photo, f"parts={EVERYTHING}&heads=1,5&tokens=7").body))
    assert found["matrices"].shape == (LAYERS, 2, TOKENS, TOKENS)
    np.testing.assert_allclose(found["matrices"].sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(found["rows"][:, :, 0], found["matrices"][:, :, 7])
    np.testing.assert_array_equal(found["columns"][:, :, 0], found["matrices"][..., 7])
    assert (found["token_norms"].shape, found["rollout"].shape) == ((LAYERS + 1, TOKENS), (1, TOKENS))
    half = parts(*split(explain(server, photo, "parts=token_norms,matrices&heads=1,5&dtype=float16").body))
    np.testing.assert_allclose(half["matrices"], found["matrices"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(half["token_norms"], found["token_norms"], rtol=1e-3)


@pytest.mark.parametrize(
    ("query", "status", "code", "detail"),
    [
        ("", 400, "INVALID_ARGUMENT", "parts: none; accepted: at least one of matrices"),
        ("parts=maps", 400, "INVALID_ARGUMENT", 'parts: "maps"; accepted: matrices, rows'),
        ("parts=matrices,matrices", 400, "INVALID_ARGUMENT", "parts: matrices, matrices; accepted: "),
        ("parts=matrices&layers=3", 400, "INVALID_ARGUMENT", "layers: 3; accepted: -3 to 2"),
        ("parts=matrices&heads=6", 400, "INVALID_ARGUMENT", "heads: 6; accepted: 0 to 5"),
        ("parts=rows&tokens=197", 400, "INVALID_ARGUMENT", "tokens: 197; accepted: "),
        ("parts=matrices&dtype=uint8", 400, "INVALID_ARGUMENT", "dtype: uint8; accepted: float32 or float16"),
        ("parts=rollout&rollout.discard=1", 400, "INVALID_ARGUMENT", "rollout.discard: 1; accepted: 0 to below 1"),
        ("parts=matrices&maps=true", 400, "INVALID_ARGUMENT", "maps: there is no such field"),
        ("parts=matrices,keys,values,queries", 400, "INVALID_ARGUMENT", "parts: a reply of 5.3 MiB; accepted: up to 5"),
        ("parts=matrices&timeout=soon", 400, "INVALID_ARGUMENT", 'timeout: "soon"; accepted: seconds'),
        ("parts=matrices&model=none", 404, "NOT_FOUND", "model 'none' is not served here"),
        ("parts=matrices&timeout=0.000001", 504, "DEADLINE_EXCEEDED", "the deadline passed before the request"),
    ],
)
def test_refusals_have_the_words_of_grpc(
    server: RunningServer, photo: bytes, query: str, status: int, code: str, detail: str
) -> None:
    found = explain(server, photo, query)
    assert (found.status, found.headers["content-type"], found.json["code"]) == (status, PROBLEM, code), found.body
    assert found.json["detail"].startswith(detail)


def test_what_is_no_image_or_no_body_is_refused_as_by_classify(server: RunningServer, photo: bytes) -> None:
    assert explain(server, b"", LARGE).json["detail"].startswith("image.encoded: 0 bytes")
    assert explain(server, b"no image", LARGE).json["detail"].startswith("image.encoded: ")
    assert explain(server, b"{}", LARGE, Content_Type="application/json").json["field"] == "image"
    assert explain(server, b"x", LARGE, Content_Type="text/plain").status == 415
    assert explain(server, bytes(2**21 + 1), LARGE).status == 413
    assert explain(server, photo, LARGE, Origin="http://evil.example").status == 403
    with Socket(server.http) as client:
        assert client.request("GET", PATH).headers["allow"] == "POST, OPTIONS"


def ask_and_do_not_read(server: RunningServer, photo: bytes, stack: ExitStack, query: str = LARGE) -> Socket:
    deaf = stack.enter_context(Socket(server.http, receive=4096))
    deaf.send(head("POST", f"{PATH}?{query}", len(photo), **JPEG) + photo)
    return deaf


def answered(server: RunningServer) -> float:
    return server.metric("vitscope_map_requests_total", method="explain")


def nothing_is_held(server: RunningServer, photo: bytes, number: int) -> bool:
    """Ask for so much that there is room for it only if nobody holds more than a little."""
    return explain(server, numbered(photo, number), LARGE).status == 200


def test_slow_readers_hold_their_part_and_are_cut_off(server: RunningServer, photo: bytes) -> None:
    closed = server.metric("vitscope_http_connections_closed_total", reason="deaf")
    with ExitStack() as stack:
        before = answered(server)
        slow = [ask_and_do_not_read(server, numbered(photo, number), stack) for number in range(3)]
        until(lambda: answered(server) >= before + 1, "they are answered")
        client = stack.enter_context(Socket(server.http))
        found = list[Reply]()
        for number in range(3):
            found.append(client.request("POST", f"{PATH}?{LARGE}", numbered(photo, 10 + number), **JPEG))
            assert client.request("GET", "/api/v1/models").status == 200, "one reply for each request"
        refused = [each for each in found if each.status == 429]
        assert refused, "what is not read counts, and there is no room for more"
        assert all(each.json["code"] == "RESOURCE_EXHAUSTED" and each.json["retry_after_ms"] for each in refused)
        assert client.request("POST", "/api/v1/classify", photo, **JPEG).status == 200, "small things have room"
        until(lambda: server.metric("vitscope_http_connections_closed_total", reason="deaf") >= closed + 1, "cut off")
        until(lambda: nothing_is_held(server, photo, 30), "what they held is free")
        # A reply that was cut off is shorter than its header says, so nobody takes it for a whole one.
        replies = [each.reply() for each in slow]
        cut = [each for each in replies if each.status == 200 and len(each.body) < int(each.headers["content-length"])]
        assert cut and all(each.status in (200, 429, 0) for each in replies)


def test_a_client_that_leaves_or_is_late_gives_back_what_it_held(server: RunningServer, photo: bytes) -> None:
    with ExitStack() as stack:
        before = answered(server)
        ask_and_do_not_read(server, numbered(photo, 41), stack)
        until(lambda: answered(server) == before + 1, "it is answered")
    began = time.monotonic()
    until(lambda: nothing_is_held(server, photo, 42), "what it held is free")
    assert time.monotonic() - began < 2.5, "at once, not when it would have been cut off"
    left = server.metric("vitscope_http_requests_total", route=PATH, status="499")
    with ExitStack() as stack:
        before = answered(server)
        late = ask_and_do_not_read(server, numbered(photo, 43), stack, f"{LARGE}&timeout=1.5")
        until(lambda: answered(server) == before + 1, "it is answered")
        until(lambda: server.metric("vitscope_http_requests_total", route=PATH, status="499") == left + 1, "cut off")
        assert len(late.reply().body) < 5_000_000
        assert nothing_is_held(server, photo, 44)


def test_one_connection_gets_answers_one_after_another(server: RunningServer, photo: bytes) -> None:
    with Socket(server.http) as client:
        for number in range(3):
            found = client.request("POST", f"{PATH}?{LARGE}", numbered(photo, 50 + number), **JPEG)
            assert (found.status, len(found.body)) == (200, int(found.headers["content-length"]))
        assert client.request("GET", "/api/v1/models").status == 200


def test_it_is_counted_like_every_other_request(server: RunningServer, photo: bytes) -> None:
    def counted() -> list[float]:
        return [
            answered(server),
            server.metric("vitscope_requests_total", code="OK"),
            server.metric("vitscope_http_requests_total", route=PATH, status="200"),
        ]

    before = counted()
    assert explain(server, numbered(photo, 60), "parts=token_norms").status == 200
    assert counted() == [number + 1 for number in before]
    until(lambda: server.metric("vitscope_in_flight") == 0, "nothing is left")
