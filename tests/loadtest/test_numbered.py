"""Messages that are serialised once and numbered for each request."""

import io
from itertools import islice

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.conftest import jpeg
from vitscope.loadtest.numbered import MARK, Numbered, after_end, in_comment, numbers
from vitscope.v1 import classifier_pb2, image_pb2


def decoded(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def request(image: bytes) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=image), top_k=5)


def test_a_number_takes_the_place_of_each_mark() -> None:
    message = classifier_pb2.ClassifyStreamRequest(request_id=MARK.decode(), request=request(b"a" + MARK + b"b"))
    numbered = Numbered.of(message).with_number(b"0123456789abcdef")
    found = classifier_pb2.ClassifyStreamRequest.FromString(numbered)
    assert found.request_id == "0123456789abcdef"
    assert found.request.image.encoded == b"a0123456789abcdefb" and found.request.top_k == 5


def test_a_message_without_a_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="no mark"):
        Numbered.of(request(b"image"))


def test_numbers_are_text_as_long_as_the_mark_and_never_the_same() -> None:
    first, second = (list(islice(numbers(), 1000)) for _ in range(2))  # as of two processes
    assert len({*first, *second}) == 2000
    assert all(len(number) == len(MARK) and number.decode("ascii").isalnum() for number in first)


def test_a_number_in_a_comment_leaves_the_picture_as_it_was() -> None:
    photo = jpeg(skimage.data.chelsea())
    numbered = in_comment(photo, b"0123456789abcdef")
    assert numbered != photo and (decoded(numbered) == decoded(photo)).all()
    assert Image.open(io.BytesIO(numbered)).info["comment"] == b"0123456789abcdef"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_number_behind_the_end_leaves_the_picture_as_it_was(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()[:64, :48]).save(file, kind)
    assert (decoded(after_end(file.getvalue())) == decoded(file.getvalue())).all()
