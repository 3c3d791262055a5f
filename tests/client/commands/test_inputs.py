"""Images from files, folders, patterns and standard input."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vitscope.client.commands.inputs import find_sources
from vitscope.client.request import MAX_IMAGE_BYTES


def names(*arguments: object) -> list[str]:
    return [Path(source.name).name for source in find_sources(map(str, arguments))]


def test_files_keep_their_order_and_any_suffix(photos: Path) -> None:
    assert names(photos / "two.png", photos / "notes.txt", photos / "one.jpg") == ["two.png", "notes.txt", "one.jpg"]


def test_a_folder_is_searched_for_images_at_any_depth(photos: Path) -> None:
    sources = find_sources([str(photos)])
    assert [str(source.relative) for source in sources] == ["broken.jpg", "more/three.webp", "one.jpg", "two.png"]
    assert all(isinstance(source.image, Path) and source.image.is_file() for source in sources)


def test_a_pattern_that_the_shell_did_not_expand(photos: Path) -> None:
    assert names(photos / "*.jpg") == ["broken.jpg", "one.jpg"]
    assert names(photos / "**" / "*.webp") == ["three.webp"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    for name in ("photo[1].jpg", "photo1.jpg"):
        (tmp_path / name).touch()
    assert names(tmp_path / "photo[1].jpg") == ["photo[1].jpg"]


def test_finding_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no images in this folder; looked for \.avif, \.bmp"):
        find_sources([str(tmp_path)])
    with pytest.raises(ValueError, match="matches no file"):
        find_sources([str(tmp_path / "*.jpg")])


def test_a_missing_file_is_a_source_that_fails_when_it_is_read(tmp_path: Path) -> None:
    assert names(tmp_path / "none.jpg") == ["none.jpg"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"bytes of a photo")))
    (source,) = find_sources(["-"])
    assert (source.name, source.image) == ("stdin", b"bytes of a photo")


def test_standard_input_is_read_up_to_the_limit_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/zero").open("rb") as endless:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
        (source,) = find_sources(["-"])
    assert isinstance(source.image, bytes) and len(source.image) == MAX_IMAGE_BYTES + 1


def test_standard_input_is_used_once_and_must_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="-: given 2 times; accepted: once"):
        find_sources(["-", "-"])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="standard input is closed"):
        find_sources(["-"])
