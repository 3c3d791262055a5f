"""File names of overlays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.servicer import answer
from vitscope.client.commands.inputs import Source
from vitscope.client.commands.overlays import OverlayWriter, overlay_writer
from vitscope.client.request import RenderingOptions, classify_request
from vitscope.client.result import Result


def result(**options: Any) -> Result:
    options = {"attention": "last", "rendering": RenderingOptions(), **options}
    return Result.of(answer(classify_request(np.zeros((8, 8, 3), np.uint8), **options)))


def source(name: str) -> Source:
    return Source(name, b"", Path(name))


def test_one_image_goes_to_the_file(tmp_path: Path) -> None:
    written = OverlayWriter(tmp_path / "new" / "map.png", into_folder=False).write(source("photo.jpg"), result())
    assert written == [tmp_path / "new" / "map.png"]
    assert written[0].read_bytes() == result().maps[0].picture.data  # type: ignore[union-attr]


def test_the_file_is_a_png_by_name_too(tmp_path: Path) -> None:
    assert OverlayWriter(tmp_path / "map", into_folder=False).write(source("a.jpg"), result()) == [tmp_path / "map.png"]


def test_the_files_of_several_maps_name_layer_and_head(tmp_path: Path) -> None:
    writer = OverlayWriter(tmp_path / "map.png", into_folder=False)
    names = [path.name for path in writer.write(source("a.jpg"), result(attention=[0, 3], heads=[1]))]
    assert names == ["map-layer0-head1.png", "map-layer3-head1.png"]
    assert [path.name for path in writer.write(source("a.jpg"), result(attention=[0, 3]))] == [
        "map-layer0.png",
        "map-layer3.png",
    ]


def test_several_images_go_to_a_folder_and_none_replaces_another(tmp_path: Path) -> None:
    writer = OverlayWriter(tmp_path, into_folder=True)
    files = [writer.write(source(name), result())[0] for name in ("a.jpg", "a.png", "more/a.jpg", "a.jpg")]
    assert [str(file.relative_to(tmp_path)) for file in files] == ["a.png", "a-2.png", "more/a.png", "a-3.png"]
    assert all(file.is_file() for file in files)


def test_maps_without_pictures_write_nothing(tmp_path: Path) -> None:
    assert OverlayWriter(tmp_path, into_folder=True).write(source("a.jpg"), result(rendering=None)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        OverlayWriter(tmp_path / "file" / "map.png", into_folder=False).write(source("a.jpg"), result())


def test_one_image_into_a_folder_is_named_after_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for out, made in ((str(tmp_path / "there"), "there/a.png"), (f"{tmp_path}/new/", "new/a.png")):
        assert overlay_writer(out, 1).write(source("a.jpg"), result()) == [tmp_path / made]


@pytest.mark.parametrize(
    ("out", "images", "message"),
    [
        ("", 1, "--attention: ''; accepted: a picture file"),
        ("{0}/map.gif", 1, r"map\.gif: pictures are PNG or JPEG files; accepted: a name ending in \.png or \.jpg"),
        ("{0}/map.jpg", 3, r"map\.jpg: named like a file"),
        ("{0}/map.png", 3, r"map\.png: named like a file; accepted: a folder, for 3 images"),
        ("{0}/file", 2, "file: a file; accepted: a folder, for 2 images"),
        ("{0}/file/map.png", 1, "cannot be written: .*file"),
        ("/proc/none/map.png", 1, "cannot be written: /proc/none"),
    ],
)
def test_an_output_that_cannot_be_used_is_refused_at_once(tmp_path: Path, out: str, images: int, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=message):
        overlay_writer(out.format(tmp_path), images)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("out", "wanted", "file", "picture_format"),
    [
        ("map.jpg", None, "map.jpg", "jpeg"),
        ("map.JPEG", "jpeg", "map.JPEG", "jpeg"),
        ("map", "jpeg", "map.jpg", "jpeg"),
        ("map.png", None, "map.png", "png"),
        ("maps/", "jpeg", "maps/a.jpg", "jpeg"),
        ("maps/", None, "maps/a.png", "png"),
    ],
)
def test_the_format_goes_by_the_option_or_the_name(
    out: str, wanted: str | None, file: str, picture_format: str, tmp_path: Path
) -> None:
    writer = overlay_writer(f"{tmp_path}/{out}", 1, wanted)
    assert writer.format == picture_format
    assert writer.write(source("a.png"), result()) == [tmp_path / file]


def test_a_format_and_a_name_that_disagree(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"named like a png file; accepted with --format jpeg: another name"):
        overlay_writer(f"{tmp_path}/map.png", 1, "jpeg")
