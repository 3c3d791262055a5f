"""`vitscope patches` and `vitscope explain` against a real server."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from PIL import Image

from vitscope.client.commands import explain, patches

Capture = pytest.CaptureFixture[str]


def words(path: Path) -> str:
    return " ".join("".join(one.itertext()) for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"))


def test_a_photo_as_patches(server: str, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "p.svg"
    assert patches.main([str(photos / "one.jpg"), "--server", server, "--patch", "2,6", "-o", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    text = words(out)
    for part in (
        "7 × 5 patches of 4 × 4 pixels", "one.jpg: 64 × 48 pixels", "The 35 patches", "Row 2, column 6", "class token",
        "Token 21 of the sequence", "The model saw all of it", "a token of 192 numbers",
    ):  # fmt: skip
        assert part in text


def test_an_answer_explained(server: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.svg"
    assert explain.main([str(photos / "one.jpg"), "--server", server, "--method", "attention", "-o", str(out)]) == 0
    text = words(out)
    for part in (
        "The model says: ", "one.jpg, 64 × 48 pixels. Model fashion v1, openvino/bf16.", "share of the attention of",
        "The same over the photo", "What it adds up to", "patches 80%", "class token 20%", "all 100%", "0%",
    ):  # fmt: skip
        assert part in text, part


def test_several_layers_and_heads_on_one_scale(server: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.png"
    argv = [str(photos / "two.png"), "--server", server, "--method", "attention", "--upsampling", "nearest"]
    assert explain.main([*argv, "--layer", "0", "--layer", "-1", "--head", "all", "-o", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width > 1000
    out = tmp_path / "e.svg"
    assert explain.main([*argv, "--layer", "all", "--head", "0", "-o", str(out)]) == 0
    assert "Layer 0, head 0 Layer 1, head 0 Layer 2, head 0 Layer 3, head 0" in words(out)


def test_a_photo_from_standard_input(
    server: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((photos / "one.jpg").read_bytes())))
    assert patches.main(["-", "--server", server, "-o", str(tmp_path / "p.svg")]) == 0
    assert "stdin: 64 × 48" in words(tmp_path / "p.svg")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["broken.jpg"], "image.encoded: not an image file"),
        (["."], "3 images; accepted: one"),
        (["none.jpg"], "No such file"),
        (["one.jpg", "--patch", "5,0"], "--patch 5,0: outside the grid; accepted: rows 0 to 4, columns 0 to 6"),
        (["one.jpg", "--model", "dogs"], "no model 'dogs'"),
    ],
)
def test_what_cannot_be_drawn(argv: list[str], said: str, server: str, photos: Path, capsys: Capture) -> None:
    photo = str(photos / "more") if argv[0] == "." else str(photos / argv[0])
    (photos / "more/four.png").write_bytes((photos / "two.png").read_bytes())
    (photos / "more/five.png").write_bytes((photos / "two.png").read_bytes())
    assert patches.main([photo, *argv[1:], "--server", server]) == 2
    (photos / "more/four.png").unlink()
    (photos / "more/five.png").unlink()
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True), err


def test_a_file_that_cannot_be_written(server: str, photos: Path, capsys: Capture) -> None:
    argv = [str(photos / "one.jpg"), "--server", server, "-o", "/dev/full/../../proc/p.png"]
    with pytest.raises(SystemExit):
        patches.main(argv)
    assert "accepted: a file in a folder that exists" in " ".join(capsys.readouterr().err.split())
    assert patches.main([*argv[:-1], "/proc/p.png"]) == 2
    assert "patches: --out /proc/p.png: No such file or directory" in capsys.readouterr().err


def test_no_server(unused_address: str, photos: Path, capsys: Capture) -> None:
    assert explain.main([str(photos / "one.jpg"), "--server", unused_address, "--timeout", "0.3"]) == 2
    assert "Is a server running there?" in capsys.readouterr().err


@pytest.mark.parametrize("main", [patches.main, explain.main])
def test_help_fits_eighty_columns(main: object, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])  # type: ignore[operator]
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
