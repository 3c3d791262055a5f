"""Formats are recognised, and the error about other bytes says what they look like."""

import base64
import contextlib
import io
import struct
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import TOKENS, VIT, encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import ImageLimits, prepare_encoded
from vitscope.server.images.signatures import FORMATS, sniff

ACCEPTED = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
FILES = {name: encoded(photos()["chelsea.png"].resize((150, 100)), name) for name in ACCEPTED}


def _said(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as refused:
        prepare_encoded(data, VIT, TOKENS, ImageLimits(), keep_photo=False)
    assert refused.value.field == "encoded"
    assert FORMATS in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_formats_have_pillows_names(name: str) -> None:
    assert sniff(FILES[name]) == name


def test_bigtiff_is_tiff() -> None:
    assert sniff(encoded(photos()["chelsea.png"], "TIFF", big_tiff=True)) == "TIFF"


def _brand(major: bytes, *others: bytes) -> bytes:
    return struct.pack(">I4s4sI", 16 + 4 * len(others), b"ftyp", major, 0) + b"".join(others) + bytes(40)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes"),
        (b"hello, this is a photo", "22 bytes that look like text"),
        (b"cat", "3 bytes that look like text"),
        (b"x", "1 byte that looks like text"),
        (b"cat\x00", "an unknown kind of file"),
        (b"MM\x00\x2b\x00\x08\x00\x00", "big-endian BigTIFF"),
        (_brand(b"isom", b"mp41"), "an MP4 video"),
        (_brand(b"mp42"), "an MP4 video"),
        (_brand(b"qt  "), "a QuickTime video"),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "a QuickTime video"),
        (_brand(b"M4A ", b"isom"), "M4A audio"),
        (_brand(b"crx ", b"isom"), r"a Canon raw photo \(CR3\)"),
        (_brand(b"mif1", b"mif1", b"miaf"), "a HEIF picture of an unknown coding"),
        (_brand(b"xyz1"), "a media file of the brand 'xyz1'"),
        (b"II\x2a\x00\x10\x00\x00\x00CR\x02\x00", r"a Canon raw photo \(CR2\)"),
        (b"FUJIFILMCCD-RAW 0201", r"a Fujifilm raw photo \(RAF\)"),
        (b"\xff\xd8\xff\xf7\x00\x0b\x08", "a JPEG-LS image"),
        (b"\xff\x4f\xff\x51\x00\x2f", "a JPEG 2000 image"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\xff\x0a\x00", "a JPEG XL image"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (bytes(128) + b"DICM\x02\x00", "a DICOM image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg/>', "an SVG drawing"),
        (
            b'<?xml version="1.0" standalone="no"?>\r\n<?xml-stylesheet href="a.css"?>\r\n<!DOCTYPE svg PUBLIC '
            b'"-//W3C//DTD SVG 1.1//EN" "x" [\n <!ENTITY a "b">\n]>\r\n<!-- ' + b"licence " * 200 + b"-->\n<svg:svg>",
            "an SVG drawing",
        ),
        ('<?xml version="1.0" encoding="UTF-16"?><svg/>'.encode("utf-16"), "an SVG drawing"),
        (b"<!DOCTYPE html><html><body><svg/>", "an HTML page"),
        (b"\n  <html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an HTML or XML page"),
        (b'{"error": "not found"}', "JSON"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b\x08", "gzip-compressed data"),
        (b"8BPS\x00\x01", "a Photoshop file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "an EPS or PostScript drawing"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "WAV audio"),
        (b"https://example.org/cat.jpg", "a URL"),
        (b'"https://example.org/cat.jpg"', "a URL"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", "a whole HTTP response"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n', "a multipart form"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"[object Blob]", r"an object \(\[object Blob\]\)"),
        (b"<_io.BufferedReader name='cat.jpg'>", "an object"),
        (b"begin 644 cat.jpg\nM", "a uuencoded file"),
        (b"\xde\xad\xbe\xef", "de ad be ef"),
    ],
)
def test_other_formats_are_named_in_the_error(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        sniff(data)
    _said(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}], ids=str)
def test_a_tga_is_no_icon_with_its_footer_or_without(mode: str, options: dict[str, str]) -> None:
    data = encoded(photos()["chelsea.png"].resize((40, 30)).convert(mode), "TGA", **options)
    assert "a TGA image" in _said(data)
    assert "a TGA image" in _said(data[:-26])


def test_an_icon_is_an_icon() -> None:
    icon = encoded(photos()["chelsea.png"].resize((32, 32)), "ICO")
    assert "an icon or cursor file" in _said(icon)
    assert "an icon or cursor file" in _said(icon[:2] + b"\x02" + icon[3:])


def test_jpeg_ls_is_named_behind_other_segments() -> None:
    assert "a JPEG-LS image" in _said(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xf7\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00")


def _raw_photo(make: bytes, *tags: tuple[int, int, int, int]) -> bytes:
    entries = [*tags, (256, 3, 1, 16), (257, 3, 1, 16), (271, 2, len(make), 200), (330, 4, 1, 0)]
    body = b"II\x2a\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries)) + bytes(4)
    return body.ljust(200, b"\0") + make + bytes(100)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_raw_photo(b"NIKON CORPORATION\0", (254, 4, 1, 1)), "NEF"),
        (_raw_photo(b"SONY \0", (254, 4, 1, 1)), "ARW"),
        (_raw_photo(b"Google\0", (254, 4, 1, 1), (50706, 1, 4, 0x0401)), "DNG"),
    ],
)
def test_raw_photos_of_cameras_are_not_answered_by_their_thumbnail(data: bytes, said: str) -> None:
    assert "a raw photo" in _said(data)
    assert said in _said(data)


WRITTEN = {
    "base64": base64.b64encode,
    "quoted base64": lambda data: b'"' + base64.b64encode(data) + b'"',
    "indented base64": lambda data: b"\n    " + base64.encodebytes(data).replace(b"\n", b"\n    "),
    "URL-safe base64": base64.urlsafe_b64encode,
    "base64 in UTF-16": lambda data: base64.b64encode(data).decode().encode("utf-16"),
    "base64 with a mark": lambda data: b"\xef\xbb\xbf" + base64.b64encode(data),
    "str of base64": lambda data: str(base64.b64encode(data)).encode(),
    "hexadecimal": lambda data: data.hex().encode(),
    "hexadecimal in pairs": lambda data: data.hex(" ").upper().encode(),
    "bytes literal": lambda data: repr(data).encode(),
    "bytes literal of an array": lambda data: repr(bytearray(data)).encode(),
    "list of numbers": lambda data: str(list(data)).encode(),
    "list of numbers of JavaScript": lambda data: ",".join(map(str, data)).encode(),
    "percent-encoded": lambda data: quote(data).encode(),
}


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"GIF", "BMP"}))
@pytest.mark.parametrize("how", WRITTEN)
def test_files_that_were_written_out_as_text(how: str, name: str) -> None:
    said = _said(WRITTEN[how](FILES[name]))
    assert f"{name} file as " in said
    assert "as the bytes themselves" in said
    assert any(word in said for word in how.split())


@pytest.mark.parametrize("name", FILES)
def test_data_uris(name: str) -> None:
    uri = f"data:image/{name.lower()};base64,".encode() + base64.b64encode(FILES[name])
    for data in (uri, b" " + uri, b'"' + uri + b'"', uri.replace(b"data:", b"DATA:")):
        assert "a data: URI" in _said(data)


MANGLED = {
    "Latin-1 to UTF-8": lambda data: data.decode("latin-1").encode(),
    "Windows to UTF-8": lambda data: data.decode("cp1252", "replace").encode(),
    "replaced": lambda data: data.decode("utf-8", "replace").encode(),
    "twice": lambda data: data.decode("latin-1").encode().decode("latin-1").encode(),
    "surrogates": lambda data: data.decode("utf-8", "surrogateescape").encode("utf-8", "surrogatepass"),
    "UTF-16": lambda data: data.decode("latin-1").encode("utf-16"),
    "UTF-16 without a mark": lambda data: data.decode("latin-1").encode("utf-16-le"),
    "UTF-16 from the other end": lambda data: data.decode("latin-1").encode("utf-16-be"),
    "dropped": lambda data: data.decode("utf-8", "ignore").encode(),
    "question marks": lambda data: data.decode("latin-1").encode("ascii", "replace"),
    "7 bits": lambda data: bytes(byte & 0x7F for byte in data),
}


@pytest.mark.parametrize("how", MANGLED)
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_jpeg_or_png_that_was_text_on_its_way(name: str, how: str) -> None:
    said = _said(MANGLED[how](FILES[name]))
    assert f"a {name} file that was converted to" in said
    assert "text, which destroyed it" in said
    assert "arrayBuffer()" in said


@pytest.mark.parametrize("how", ["Latin-1 to UTF-8", "Windows to UTF-8", "replaced"])
@pytest.mark.parametrize("name", ["WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_formats_whose_first_bytes_survive_are_found_out_when_they_cannot_be_decoded(name: str, how: str) -> None:
    said = _said(MANGLED[how](FILES[name]))
    assert "converted to text on its way" in said
    assert "arrayBuffer()" in said


@pytest.mark.parametrize(("before", "after"), [(b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\n", b"\r"), (b"\r", b"")])
def test_a_png_shows_changed_line_ends(before: bytes, after: bytes) -> None:
    assert "a PNG file whose line ends were changed" in _said(FILES["PNG"].replace(before, after))


def test_a_jpeg_with_changed_line_ends_is_refused_though_pillow_would_decode_what_is_left() -> None:
    photo = encoded(photos()["coffee.png"], "JPEG")
    assert sniff(photo) == "JPEG"
    assert "each line feed is behind a carriage return" in _said(photo.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("lead", [b"\n", b"\r\n", b"\xef\xbb\xbf", b" ", b'"', b"\x0a\x80\x10"])
@pytest.mark.parametrize("name", FILES)
def test_bytes_before_the_file_are_named(name: str, lead: bytes) -> None:
    assert f"{name} file behind other bytes that do not belong to it ({lead.hex(' ')})" in _said(lead + FILES[name])


@given(
    st.binary(max_size=64)
    | st.lists(st.sampled_from([b"<?", b"?>", b"<!--", b"-->", b"\\x", b"=4", b" "])).map(b"".join)
)
def test_any_bytes_are_named_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert sniff(data) in {*ACCEPTED, "HEIF"}


@pytest.mark.parametrize("piece", [b"<?a?>", b"<!-- -->", b"a ", b"=41", b"%41", b"\\x41", b"[1,2,3", b"A:b\n", b" "])
def test_no_text_takes_long_to_be_named(piece: bytes) -> None:
    for data in (piece * 5000, b"--x\r\n" + piece * 5000, b"<" + piece * 5000 + b"~"):
        start = time.thread_time()
        with contextlib.suppress(InvalidRequest):
            sniff(data)
        assert time.thread_time() - start < 0.2


def test_a_picture_of_one_colour_that_happens_to_be_utf_8_is_no_text() -> None:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), (0xAC, 0x82, 0xE2)).save(file, "BMP")  # blue, green, red: the euro sign in UTF-8
    assert prepare_encoded(file.getvalue(), VIT, TOKENS, ImageLimits(), keep_photo=False).geometry.image_width == 60
