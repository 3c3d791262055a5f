"""Forms as curl, browsers and others send them, and as nobody should."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from vitscope.server.api.rest.forms import Part, parameters, read_form
from vitscope.server.errors import InvalidRequest

TYPE = "multipart/form-data; boundary=xyz"


def form(*parts: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    return b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str, data: bytes = b"", more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data


def refusal(body: bytes, kind: str = TYPE) -> str:
    with pytest.raises(InvalidRequest) as caught:
        list(read_form(body, kind))
    return str(caught.value)


def test_files_and_values() -> None:
    body = form(part("image", b"\r\n--xy\r\n\0", '; filename="a.jpg"'), part("top_k", b"3"), part("model"))
    found = list(read_form(body, TYPE))
    assert found == [
        Part("image", b"\r\n--xy\r\n\0", True),
        Part("top_k", b"3", False),
        Part("model", b"", False),
    ]
    assert [each.value() for each in found[1:]] == ["3", ""]


@pytest.mark.parametrize(
    "kind", ['multipart/form-data; charset=utf-8; boundary="xyz"', "multipart/form-data;BOUNDARY=xyz"]
)
def test_boundaries_are_found_however_they_are_written(kind: str) -> None:
    preamble = b"this is not read\r\n"
    assert [each.name for each in read_form(preamble + form(part("a")) + b"nor is this", kind)] == ["a"]
    assert list(read_form(b"--xyz--", kind)) == []


@given(st.lists(st.tuples(st.text("abc.", min_size=1), st.binary()), max_size=5))
def test_what_others_write_is_read(fields: list[tuple[str, bytes]]) -> None:
    body, kind = encode_multipart_formdata([(name, ("f", data)) for name, data in fields])
    assert [(each.name, each.data) for each in read_form(body, kind)] == fields


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "its first boundary is missing"),
        (form(part("a"), end=b""), "its last boundary is missing, as if it had been cut off"),
        (b"--xyz\r\n" + part("a"), "its last boundary is missing"),
        (b"--xyzzy\r\n", "a boundary does not end its line"),
        (form(b"Content-Type: image/png\r\n\r\nabc"), "no Content-Disposition of form-data with a name"),
        (form(b"Content-Disposition: attachment; name=a\r\n\r\nabc"), "no Content-Disposition of form-data"),
        (form(b"no end of headers"), "a part has no headers"),
        (form(part("a" * 5000)), "more than 4096 bytes of them"),
        (form(*[part("a")] * 65), "a form of more than 64 parts; accepted: up to 64"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, text: str) -> None:
    assert text in refusal(body)


def test_a_boundary_is_needed() -> None:
    assert refusal(b"", "multipart/form-data").startswith("Content-Type: multipart/form-data without a boundary")
    assert refusal(b"", "multipart/form-data; boundary=" + "a" * 71).startswith("Content-Type: ")


def test_values_are_utf_8() -> None:
    with pytest.raises(InvalidRequest, match="model: text that is not UTF-8"):
        next(read_form(form(part("model", b"\xff")), TYPE)).value()


@given(st.binary() | st.lists(st.sampled_from([b"--xyz", b"--", b"\r\n", part("a"), b"x"])).map(b"".join))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        assert len(list(read_form(body, TYPE))) <= 64


@given(st.text())
def test_any_header_has_parameters_or_none(text: str) -> None:
    assert all(name == name.lower() for name in parameters(text))


def test_quotes_in_names_are_read() -> None:
    assert parameters(r'form-data; name="a\"b"; filename=c.jpg') == {"name": 'a"b', "filename": "c.jpg"}
