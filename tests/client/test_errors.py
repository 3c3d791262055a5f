"""Exceptions from gRPC status codes and messages."""

import re

import grpc
import pytest

from vitscope import ClientError, DeadlineExceeded, InvalidImage, InvalidRequest, NotFound, Overloaded, Unavailable
from vitscope.client.errors import RequestTooLarge, from_number, from_status

CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_code_keeps_its_code_and_message(code: grpc.StatusCode) -> None:
    error = from_status(code, "what the server said")
    assert type(error) is CLASSES.get(code, ClientError)
    assert (error.code, error.message) == (code, "what the server said")
    assert str(error) == f"{code.name}: what the server said"
    assert type(from_number(code.value[0], "")) is type(error)


def test_an_invalid_image_differs_from_an_invalid_option() -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert type(from_status(invalid, "image.encoded: truncated; accepted: JPEG")) is InvalidImage
    assert type(from_status(invalid, "maps.layers: 99; accepted: 0 to 11")) is InvalidRequest


def test_an_unknown_number_is_unknown() -> None:
    assert from_number(99, "").code is grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        ("SERVER: Received message larger than max (2000 vs. 1000)", RequestTooLarge, "image: .* 2,000 .* up to 1,000"),
        ("CLIENT: Sent message larger than max (2000 vs. 1000)", RequestTooLarge, "image: .* 2,000 .* up to 1,000"),
        ("grpc: received message larger than max (2000 vs. 1000)", RequestTooLarge, "image: .* 2,000 .* up to 1,000"),
        (
            "Stream removed (CLIENT: Received message larger than max (5 vs. 2))",
            InvalidRequest,
            "the answer has 5 bytes",
        ),
        ("SERVER: Sent message larger than max (5 vs. 2)", InvalidRequest, "the answer has 5 bytes"),
    ],
)
def test_a_message_that_is_too_large_is_not_an_overload(message: str, kind: type[ClientError], said: str) -> None:
    error = from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
    assert type(error) is kind and re.match(said, error.message)
