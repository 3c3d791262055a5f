"""`vitscope positions` and `vitscope filters`."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.bundle.sample import MANIFEST
from vitscope.bundle import BundleWriter, Certificate, PositionKind, open_bundle
from vitscope.bundle.reader import checksum_line
from vitscope.server.tools import filters, positions

Capture = pytest.CaptureFixture[str]
RANDOM = np.random.default_rng(0)
PATCHES = {
    "patch_kernel": RANDOM.normal(size=(12, 3, 4, 4)).astype(np.float32),
    "patch_bias": RANDOM.normal(size=12).astype(np.float32),
    "cls_token": np.ones(12, np.float32),
}
TABLE = {"position_embeddings": RANDOM.normal(size=(50, 12)).astype(np.float32)}
ROPE = {"rope": np.concatenate([np.sin(np.arange(49))[:, None], np.cos(np.arange(49))[:, None]], 1).astype(np.float32)}
RELATIVE = {"relative_bias": RANDOM.normal(size=(3, 13, 13)).astype(np.float32)}


def bundle(folder: Path, kinds: tuple[PositionKind, ...] | None, arrays: dict[str, np.ndarray] | None) -> Path:
    with BundleWriter(folder, "sample") as writer:
        (writer.path / "graphs").mkdir()
        (writer.path / "graphs/classify.onnx").write_bytes(b"graph")
        if arrays is not None:
            writer.save_explain(arrays)
        writer.save_certificate(Certificate())
        return writer.publish(MANIFEST.model_copy(update={"positions": kinds, "files": writer.files()}))


def words(path: Path) -> str:
    return " ".join("".join(one.itertext()) for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize(
    ("kinds", "arrays", "said"),
    [
        (("table",), TABLE, ["A vector of weights is added to each patch", "cosine similarity", "The class token"]),
        (("sine",), TABLE, ["A vector of sines and cosines"]),
        (("rope",), ROPE, ["(RoPE)", "mean cosine of the angles"]),
        (("relative",), RELATIVE, ["how far the key is from the query", "Head 2", "before the softmax"]),
        (("table", "rope"), TABLE | ROPE, ["A vector of weights", "(RoPE)"]),
        (None, TABLE, ["A vector of weights"]),  # a bundle that was written before kinds were
    ],
)
def test_each_kind_of_position_has_its_picture(
    kinds: tuple[PositionKind, ...] | None, arrays: dict[str, np.ndarray], said: list[str], tmp_path: Path
) -> None:
    path = bundle(tmp_path, kinds, PATCHES | arrays)
    assert positions.main([str(path), "--patch", "6,0", "-o", str(tmp_path / "p.svg")]) == 0
    text = words(tmp_path / "p.svg")
    assert all(part in text for part in said)
    assert ("row 6, column 0" in text) == (kinds != ("relative",))


def test_a_bundle_without_them_says_why(tmp_path: Path, capsys: Capture) -> None:
    out = ["-o", str(tmp_path / "p.png")]
    for kinds, arrays, said in (
        ((), PATCHES, "this model has no positions: nothing tells it where in the image a patch was"),
        (None, PATCHES, "exported before positions other than tables were kept; export the checkpoint again"),
        (("table",), None, "has no explain.npz; export the checkpoint again to have one"),
        (("table",), TABLE, "explain.npz: has no array 'patch_kernel'; export the checkpoint again to have it"),
    ):
        path = bundle(tmp_path / str(len(said)), kinds, arrays)
        assert positions.main([str(path), *out]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "p.png").exists()
    table = {"position_embeddings": TABLE["position_embeddings"][:40]}
    with pytest.raises(Exception, match="position_embeddings has 40 rows; expected 49 of patches and up to 1 more"):
        open_bundle(bundle(tmp_path / "short", ("table",), PATCHES | table)).embedding()


def test_a_changed_file_is_noticed(tmp_path: Path, capsys: Capture) -> None:
    path = bundle(tmp_path, ("table",), PATCHES | TABLE)
    np.savez(path / "explain.npz", allow_pickle=False, **PATCHES)
    assert positions.main([str(path)]) == 2
    assert "explain.npz: changed since the export" in capsys.readouterr().err


def test_an_older_manifest_has_no_kinds(tmp_path: Path) -> None:
    path = bundle(tmp_path, ("table",), PATCHES | TABLE)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest.pop("positions") == ["table"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "manifest.sha256").write_bytes(checksum_line(path / "manifest.json"))
    assert open_bundle(path).manifest.positions is None
    assert open_bundle(path).embedding().patch_positions is not None


def test_filters_and_the_dot_products_of_a_patch(tmp_path: Path, capsys: Capture) -> None:
    path = bundle(tmp_path, ("table",), PATCHES | TABLE)
    pixels = RANDOM.integers(0, 256, (28, 28, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    assert filters.main([str(path), str(tmp_path / "photo.png"), "--patch", "2,5", "-o", str(tmp_path / "f.svg")]) == 0
    text = words(tmp_path / "f.svg")
    assert "12 filters of 4 × 4 pixels" in text and "Row 2, column 5" in text and "Its 12 dot products" in text
    normalised = (pixels[8:12, 20:24] / 255 - 0.5) / 0.5
    expected = np.tensordot(PATCHES["patch_kernel"], normalised.transpose(2, 0, 1), 3) + PATCHES["patch_bias"]
    strongest = int(np.argmax(np.abs(expected)))
    assert f"{strongest}: {expected[strongest]:.3g}".replace("-", "−") in text
    assert filters.main([str(path), "-o", str(tmp_path / "f.png")]) == 0
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.format == "PNG"
    assert capsys.readouterr().out.split() == [str(tmp_path / "f.svg"), str(tmp_path / "f.png")]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--patch", "7,0"], "--patch 7,0: outside the grid; accepted: rows 0 to 6, columns 0 to 6"),
        (["--patch", "1"], "'1'; accepted: ROW,COL, two whole numbers from 0, such as 3,7"),
        (["-o", "p.jpg"], "'p.jpg'; accepted: a file name ending in .png or .svg"),
        (["-o", "no/where/p.png"], "there is no folder 'no/where'; accepted: a file in a folder that exists"),
    ],
)
def test_wrong_options(argv: list[str], said: str, tmp_path: Path, capsys: Capture) -> None:
    path = bundle(tmp_path, ("table",), PATCHES | TABLE)
    try:
        assert positions.main([str(path), *argv]) == 2
    except SystemExit as ended:
        assert ended.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_photos_that_cannot_be_used(tmp_path: Path, capsys: Capture) -> None:
    path = bundle(tmp_path, ("table",), PATCHES | TABLE)
    (tmp_path / "photo.txt").write_text("no image")
    assert filters.main([str(path), str(tmp_path / "photo.txt")]) == 2
    assert f"{tmp_path / 'photo.txt'}: encoded" in capsys.readouterr().err
    assert filters.main([str(path), str(tmp_path / "none.jpg")]) == 2
    assert f"{tmp_path / 'none.jpg'}: No such file or directory" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        filters.main([str(path), "--patch", "1,1"])
    assert "--patch says which patch of a photo; add PHOTO" in capsys.readouterr().err
