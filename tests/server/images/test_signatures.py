"""Formats are recognised, and the error about other bytes says what they look like."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.signatures import sniff


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_accepted_formats_have_pillows_names(name: str) -> None:
    assert sniff(encoded(photos()["chelsea.png"], name)) == name


def test_bigtiff_is_tiff() -> None:
    assert sniff(encoded(photos()["chelsea.png"], "TIFF", big_tiff=True)) == "TIFF"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes"),
        (b"hello, this is a photo", "22 bytes that look like text"),
        (b"cat", "3 bytes that look like text"),
        (b"x", "1 byte that looks like text"),
        (b"cat\x00", "an unknown kind of file"),
        (b"MM\x00\x2b\x00\x08\x00\x00", "big-endian BigTIFF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "AVIF"),
        (b"\x00\x00\x00\x20ftypisom", "video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg/>', "SVG"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"8BPS\x00\x01", "Photoshop"),
        (b"\xff\x0a\x00", "JPEG XL"),
        (b"/9j/4AAQSkZJRgABAQ==", "base64"),
        (b"data:image/png;base64,iVBORw0KGgo=", "data: URI"),
        (b"https://example.org/cat.jpg", "URL"),
        (b"\xde\xad\xbe\xef", "de ad be ef"),
    ],
)
def test_other_formats_are_named_in_the_error(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        sniff(data)
    assert refused.value.field == "encoded"
    assert "JPEG, PNG, WebP, GIF, BMP or TIFF" in str(refused.value)


@given(st.binary(max_size=64))
def test_any_bytes_are_named_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert sniff(data) in {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"}
