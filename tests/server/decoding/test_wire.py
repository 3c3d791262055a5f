"""Messages arrive whole, or not at all."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from vitscope.server.decoding.wire import receive, send

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.mark.parametrize("parts", [[b""], [b"a", b"", b"bc"], [bytes(range(256)) * 40_000, b"x" * 3_000_000]])
def test_parts_arrive_as_they_were_sent(pair: Pair, parts: list[bytes]) -> None:
    sender = threading.Thread(target=send, args=(pair[0], parts))
    sender.start()
    assert receive(pair[1], 2**24) == parts
    sender.join()


def test_a_message_that_is_too_large_is_not_received(pair: Pair) -> None:
    send(pair[0], [b"x" * 100])
    with pytest.raises(ValueError, match="a message of 100 bytes"):
        receive(pair[1], 99)


def test_a_message_of_too_many_parts_is_not_received(pair: Pair) -> None:
    pair[0].sendall(b"\xff")
    with pytest.raises(ValueError, match="255 parts"):
        receive(pair[1], 99)


def test_an_end_within_a_message_is_an_error(pair: Pair) -> None:
    pair[0].sendall(b"\x01\0\0")
    pair[0].close()
    with pytest.raises(EOFError):
        receive(pair[1], 99)


def test_both_ways_end_when_no_time_is_left(pair: Pair) -> None:
    end = time.monotonic() + 0.05

    def left() -> float:
        if time.monotonic() >= end:
            raise TimeoutError("no time is left")
        return end - time.monotonic()

    with pytest.raises(TimeoutError, match="no time is left"):
        receive(pair[1], 99, left)
    with pytest.raises(TimeoutError, match="no time is left"):
        send(pair[0], [bytes(10_000_000)], left)
