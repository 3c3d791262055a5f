""""""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.inputs import Source
from client.overlays import OverlayWriter
from client.request import RenderingOptions, classify_request
from client.result import Result
from tests.client.servicer import answer


def result(**options: Any) -> Result:
    options = {"attention": "last", "rendering": RenderingOptions(), **options}
    return Result.of(answer(classify_request(np.zeros((8, 8, 3), np.uint8), **options)))


def source(name: str) -> Source:
    return Source(name, b"", Path(name))


def test_one_image_goes_to_the_file(tmp_path: Path) -> None:
    written = OverlayWriter(tmp_path / "new" / "map.png", several=False).write(source("photo.jpg"), result())
    assert written == [tmp_path / "new" / "map.png"]
    assert written[0].read_bytes() == result().maps[0].picture.data  # type: ignore[union-attr]


def test_the_file_is_a_png_by_name_too(tmp_path: Path) -> None:
    assert OverlayWriter(tmp_path / "map", several=False).write(source("a.jpg"), result()) == [tmp_path / "map.png"]


def test_several_maps_say_layer_and_head(tmp_path: Path) -> None:
    writer = OverlayWriter(tmp_path / "map.png", several=False)
    names = [path.name for path in writer.write(source("a.jpg"), result(attention=[0, 3], heads=[1]))]
    assert names == ["map-layer0-head1.png", "map-layer3-head1.png"]
    assert [path.name for path in writer.write(source("a.jpg"), result(attention=[0, 3]))] == [
        "map-layer0.png",
        "map-layer3.png",
    ]


def test_several_images_go_to_a_folder_and_none_replaces_another(tmp_path: Path) -> None:
    writer = OverlayWriter(tmp_path, several=True)
    files = [writer.write(source(name), result())[0] for name in ("a.jpg", "a.png", "more/a.jpg", "a.jpg")]
    assert [str(file.relative_to(tmp_path)) for file in files] == ["a.png", "a-2.png", "more/a.png", "a-3.png"]
    assert all(file.is_file() for file in files)


def test_maps_without_pictures_write_nothing(tmp_path: Path) -> None:
    assert OverlayWriter(tmp_path, several=True).write(source("a.jpg"), result(rendering=None)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        OverlayWriter(tmp_path / "file" / "map.png", several=False).write(source("a.jpg"), result())
