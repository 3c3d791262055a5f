"""The images and requests of the benchmark."""

import io

import numpy as np
import pytest
from PIL import Image

from bench.photos import payloads, photo_jpegs, raw_payloads, stream_payloads
from vitscope.v1 import classifier_pb2, maps_pb2


@pytest.fixture(scope="module")
def jpegs() -> tuple[bytes, ...]:
    return photo_jpegs()


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def test_sixteen_different_photos_of_640_by_480(jpegs: tuple[bytes, ...]) -> None:
    assert len({pixels(jpeg).tobytes() for jpeg in jpegs}) == 16
    assert {pixels(jpeg).shape for jpeg in jpegs} == {(480, 640, 3)}


def test_a_numbered_request_differs_in_its_comment_alone(jpegs: tuple[bytes, ...]) -> None:
    payload = payloads(jpegs[:1])[0]
    messages = [payload.with_number(number) for number in (b"%016d" % 1, b"%016d" % 2)]
    first, second = (classifier_pb2.ClassifyRequest.FromString(message).image.encoded for message in messages)
    assert first != second
    assert (pixels(first) == pixels(second)).all()
    assert (pixels(first) == pixels(jpegs[0])).all()
    assert len(first) == len(second) == len(jpegs[0])
    assert Image.open(io.BytesIO(second)).info["comment"] == b"0000000000000002"


def test_options_are_in_the_request(jpegs: tuple[bytes, ...]) -> None:
    sent = payloads(jpegs[:1], maps_pb2.MapOptions(all_layers=True))[0].with_number(bytes(16))
    request = classifier_pb2.ClassifyRequest.FromString(sent)
    assert request.top_k == 5 and request.maps.all_layers
    item = classifier_pb2.ClassifyStreamRequest.FromString(stream_payloads(jpegs[:1])[0].with_number(b"%016d" % 7))
    assert (pixels(item.request.image.encoded) == pixels(jpegs[0])).all()


def test_raw_pixels_are_ready_for_the_model() -> None:
    raw = classifier_pb2.ClassifyRequest.FromString(
        raw_payloads(32, 24, count=1)[0].with_number(b"%016d" % 9)
    ).image.raw
    assert (raw.width, raw.height, len(raw.rgb), raw.preprocessed) == (32, 24, 32 * 24 * 3, True)
