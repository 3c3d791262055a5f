"""HTTP clients that are slow, large, many, or gone: bounded, and nobody else notices."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.harness import RunningServer, numbered
from tests.http1 import Reply, Socket, head, until

CLASSIFY = "/api/v1/classify?model=fashion"
JPEG = {"Content_Type": "image/jpeg"}


def classify(server: RunningServer, photo: bytes, query: str = "", **headers: str) -> Reply:
    with Socket(server.http) as client:
        return client.request("POST", CLASSIFY + query, photo, **JPEG, **headers)


@pytest.fixture(scope="module")
def small(models: Path) -> Iterator[RunningServer]:
    """A server with narrow bounds."""
    flags = ["--max-receive-seconds", "1", "--max-message-mib", "2", "--max-image-mib", "1"]
    with RunningServer(models, *flags, "--max-http-connections", "16", "--max-in-flight", "8") as running:
        yield running


def test_a_body_that_is_sent_slowly_holds_a_place_for_a_bounded_time(small: RunningServer, photo: bytes) -> None:
    with Socket(small.http) as slow:
        slow.send(head("POST", CLASSIFY, len(photo), **JPEG) + photo[:100])
        until(lambda: small.metric("vitscope_in_flight") == 1, "it has a place")
        assert classify(small, photo).status == 200
        found = slow.reply()
    assert (found.status, found.json["detail"]) == (504, "the message did not arrive within 1 s")
    assert small.metric("vitscope_in_flight") == 0


def test_a_client_that_leaves_frees_its_place(small: RunningServer, photo: bytes) -> None:
    left = small.metric("vitscope_http_requests_total", status="499")
    with Socket(small.http) as cut:
        cut.send(head("POST", CLASSIFY, len(photo), **JPEG) + photo[:100])
        until(lambda: small.metric("vitscope_in_flight") == 1, "it has a place")
    until(lambda: small.metric("vitscope_in_flight") == 0, "its place is free")
    until(lambda: small.metric("vitscope_http_requests_total", status="499") == left + 1, "it is counted")


def test_a_client_that_ends_its_sending_gets_its_answers(small: RunningServer, photo: bytes) -> None:
    one = head("POST", CLASSIFY, len(photo), **JPEG) + photo
    for sent, count in ((one, 1), (one + head("GET", "/api/v1/models") + one, 3), (head("GET", "/metrics"), 1)):
        with Socket(small.http) as client:
            client.send(sent)
            client.end()
            assert [client.reply().status for _ in range(count)] == [200] * count
            assert client.ended()
    for cut in (one[:-1], head("POST", CLASSIFY, 10, **JPEG), b"GET /api/v1/models HTTP/1.1\r\n", b""):
        with Socket(small.http) as client:
            client.send(cut)
            client.end()
            assert client.reply().status == 0 and client.ended()
    until(lambda: small.metric("vitscope_in_flight") == 0, "nothing is held")


def test_a_body_is_bounded_by_its_header_and_while_it_is_read(small: RunningServer) -> None:
    with Socket(small.http) as client:
        client.send(head("POST", CLASSIFY, 3_000_000, **JPEG))
        found = client.reply()
        assert (found.status, found.json["code"]) == (413, "INVALID_ARGUMENT")
        assert found.json["detail"].startswith("body: 3,000,000 bytes; accepted: up to 2,097,152 bytes")
    with Socket(small.http) as client:
        client.send(head("POST", CLASSIFY, Transfer_Encoding="chunked", **JPEG))
        for _ in range(40):
            client.send(b"10000\r\n" + bytes(2**16) + b"\r\n")
        assert client.reply().status == 413
    with Socket(small.http) as client:
        found = client.request("POST", CLASSIFY, bytes(1_500_000), **JPEG)
        assert found.json["detail"].startswith("image.encoded: 1,500,000 bytes; accepted: at most 1,048,576 bytes")


def test_a_client_that_asks_first_is_told_before_it_sends(small: RunningServer, photo: bytes) -> None:
    with Socket(small.http) as client:
        client.send(head("POST", CLASSIFY, len(photo), Expect="100-continue", **JPEG))
        assert client.reply().status == 100
        client.send(photo)
        assert client.reply().status == 200
        client.send(head("POST", CLASSIFY, 3_000_000, Expect="100-continue", **JPEG))
        assert client.reply().status == 413
    assert classify(small, photo, Expect="a-miracle").status == 417


def test_chunks_and_requests_in_a_row_are_answered_on_one_connection(small: RunningServer, photo: bytes) -> None:
    with Socket(small.http) as client:
        client.send(head("POST", CLASSIFY, Transfer_Encoding="chunked", **JPEG))
        for at in range(0, len(photo), 5000):
            piece = photo[at : at + 5000]
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.reply().status == 200
        # A body that was not wanted is not taken for the next request.
        assert client.request("POST", CLASSIFY, photo, Content_Type="text/plain").status == 415
        client.send(head("GET", "/api/v1/models") * 50)
        assert {client.reply().status for _ in range(50)} == {200}
        client.send(head("POST", CLASSIFY, len(photo), **JPEG) + photo + head("GET", "/healthz/live"))
        assert [client.reply().status, client.reply().body] == [200, b"ok\n"]


def test_requests_in_a_row_are_all_answered_after_a_body_that_came_late(small: RunningServer) -> None:
    with Socket(small.http) as client:
        for _ in range(2):
            client.send(head("POST", CLASSIFY, 10, Content_Type="text/plain"))
            assert client.reply().status == 415
            client.send(b"0123456789" + head("GET", "/api/v1/models") * 70)
            assert [client.reply().status for _ in range(70)] == [200] * 70


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /api/v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
        head("POST", CLASSIFY, Transfer_Encoding="chunked", Content_Length="5", **JPEG),
        head("POST", CLASSIFY, Transfer_Encoding="chunked", **JPEG) + b"zz\r\n",
        head("POST", CLASSIFY, Content_Length="-5", **JPEG),
        b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(small: RunningServer, data: bytes) -> None:
    with Socket(small.http) as client:
        client.send(data)
        found = client.reply()
        assert (found.status, found.headers["content-type"]) == (400, "application/problem+json")
        assert found.json["detail"].startswith("request: ")
        assert client.ended()


def test_headers_are_bounded_as_a_whole(small: RunningServer) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20))
    with Socket(small.http) as client:
        client.send(b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
        assert client.reply().json["detail"].startswith("headers: 20,")
    with Socket(small.http) as client:
        client.send(b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\n" + lines)  # and no end
        assert client.reply().status == 431
        assert client.ended()


def test_many_idle_connections_keep_nobody_out(small: RunningServer, photo: bytes) -> None:
    before = small.metric("vitscope_http_connections_closed_total", reason="limit")
    with ExitStack() as stack:
        idle = [stack.enter_context(Socket(small.http)) for _ in range(40)]
        assert classify(small, photo).status == 200
        assert small.metric("vitscope_http_connections") <= 16
        assert small.metric("vitscope_http_connections_closed_total", reason="limit") >= before + 24
        assert idle[0].ended()  # the oldest went first


def test_two_hundred_connections_at_once_are_all_answered(server: RunningServer, photo: bytes) -> None:
    ready = threading.Barrier(200)

    def ask(number: int) -> int:
        with Socket(server.http) as client:
            ready.wait(30)
            while (found := client.request("POST", CLASSIFY, numbered(photo, number % 20), **JPEG)).status == 429:
                assert int(found.headers["retry-after"]) >= 1 and found.json["retry_after_ms"] >= 10
                time.sleep(found.json["retry_after_ms"] / 1000)
            return found.status

    with ThreadPoolExecutor(200) as clients:
        assert set(clients.map(ask, range(200))) == {200}


def test_replies_that_are_not_read_are_bounded(small: RunningServer, photo: bytes) -> None:
    query = "&maps.all_layers=true&maps.all_heads=true&maps.rendering.kind=heat_map&maps.rendering.size=300"
    with Socket(small.http, receive=4096) as deaf:
        with suppress(OSError):  # it may be cut off before everything is sent
            deaf.send((head("POST", CLASSIFY + query, len(photo), **JPEG) + photo) * 32)
        closed = {"reason": "deaf"}
        until(lambda: small.metric("vitscope_http_connections_closed_total", **closed) >= 1, "it is cut off")
        assert classify(small, photo).status == 200
        assert small.metric("vitscope_in_flight") == 0


def test_a_server_that_is_full_says_when_to_try_again(small: RunningServer, photo: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            slow = stack.enter_context(Socket(small.http))
            slow.send(head("POST", CLASSIFY, len(photo), **JPEG))
        until(lambda: small.metric("vitscope_in_flight") == 8, "all places are taken")
        found = classify(small, photo)
        assert (found.status, found.json["code"], found.headers["retry-after"]) == (429, "RESOURCE_EXHAUSTED", "1")
        assert "8 requests are in flight" in found.json["detail"] and found.json["retry_after_ms"] >= 10
