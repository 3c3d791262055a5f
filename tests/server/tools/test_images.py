"""The user's own images."""

from pathlib import Path

import numpy as np
import pytest

from tests.bundle.sample import MANIFEST
from tests.server.tools.photos import photos
from vitscope.bundle import Manifest
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import prepare_encoded
from vitscope.server.tools import images as images_module
from vitscope.server.tools.images import UnusableImages, read_images


def as_served(path: Path, manifest: Manifest) -> np.ndarray:
    return prepare_encoded(path.read_bytes(), manifest.input, manifest.tokens, ImageLimits(), False).pixels


def test_images_are_prepared_as_the_server_does_it(tmp_path: Path) -> None:
    paths = [*photos(tmp_path / "a", 5), *photos(tmp_path / "b/c", 4)]
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    found = read_images(tmp_path, MANIFEST)
    assert found.shape == (9, 28, 28, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [as_served(path, MANIFEST) for path in paths])


def test_of_many_images_those_at_even_distances_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "_MOST", 10)
    paths = photos(tmp_path, 28)
    np.testing.assert_array_equal(read_images(tmp_path, MANIFEST), [as_served(path, MANIFEST) for path in paths[::3]])


def test_a_folder_with_too_few_images_is_refused(tmp_path: Path) -> None:
    photos(tmp_path, 7)
    with pytest.raises(UnusableImages, match=r"--images .*: 7 images; accepted: at least 8 \(\.avif, \.bmp, "):
        read_images(tmp_path, MANIFEST)
    with pytest.raises(UnusableImages, match=r"--images .*/none: no such folder"):
        read_images(tmp_path / "none", MANIFEST)


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    paths = photos(tmp_path, 10)
    paths[3].write_bytes(paths[3].read_bytes()[:200])
    paths[7].write_text("<html>")
    with pytest.raises(
        UnusableImages, match=r"2 of 10 images cannot be used:\n.*/003\.jpg: .*\n.*/007\.jpg: .*an HTML"
    ) as raised:
        read_images(tmp_path, MANIFEST)
    assert str(raised.value).count("\n") == 2
