"""Photos in a bundle: what is listed is there, and nothing else is."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.bundle.sample import change_manifest
from tests.server.models.bundles import write_bundle
from vitscope.bundle import BundleError, Sample, kind_of, open_bundle
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.samples import INDEX

PNG = b"\x89PNG\r\n\x1a\n and more"


def bundle(folder: Path, listed: object, **photos: bytes) -> Path:
    """Write a bundle with an index, and photos by name without `.png`."""
    path = write_bundle(folder, "a", 1, folder)
    (path / "samples").mkdir()
    for name, data in photos.items():
        (path / "samples" / f"{name}.png").write_bytes(data)
    (path / INDEX).write_text(json.dumps(listed))
    files = {f"samples/{each.name}": sha256_of(each) for each in (path / "samples").iterdir()}
    change_manifest(path, lambda manifest: manifest["files"].update(files))
    return path


def test_photos_are_read_as_they_were_listed(tmp_path: Path) -> None:
    path = bundle(
        tmp_path, {"samples": [{"name": "cat.png", "label": "Katze"}, {"name": "b-2.png"}]}, cat=PNG, **{"b-2": PNG}
    )
    found = open_bundle(path)
    assert found.samples == (Sample(name="cat.png", label="Katze"), Sample(name="b-2.png"))
    assert found.photo(found.samples[0]) == PNG
    assert found.digest == hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    (path / "samples/cat.png").write_bytes(PNG + b"!")
    with pytest.raises(BundleError, match=r"samples/cat\.png: changed since the export"):
        found.photo(found.samples[0])
    (path / "samples/cat.png").unlink()
    with pytest.raises(BundleError, match=r"samples/cat\.png: cannot be read"):
        found.photo(found.samples[0])


def test_a_bundle_without_opens_as_before(tmp_path: Path) -> None:
    assert open_bundle(write_bundle(tmp_path, "a", 1, tmp_path)).samples == ()


@pytest.mark.parametrize(
    "listed",
    [
        [],
        {"samples": [{"name": "../../manifest.json"}]},
        {"samples": [{"name": "/etc/passwd.png"}]},
        {"samples": [{"name": "sub/cat.png"}]},
        {"samples": [{"name": "cat.svg"}]},
        {"samples": [{"name": "dog.png"}]},
        {"samples": [{"name": "cat.png"}] * 9},
        {"samples": [{"name": "cat.png", "more": 1}]},
    ],
)
def test_an_index_that_lists_anything_else_is_refused(tmp_path: Path, listed: object) -> None:
    with pytest.raises(BundleError, match=r"samples/index\.json: "):
        open_bundle(bundle(tmp_path, listed, cat=PNG))


def test_kinds_are_told_by_content() -> None:
    assert kind_of(PNG) == "image/png" and kind_of(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert kind_of(b"<svg>") is kind_of(b"") is None
