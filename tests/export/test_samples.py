"""Which photos go into a bundle, under which names, and as what."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitscope.bundle import Sample
from vitscope.export.errors import ExportError
from vitscope.export.samples import read_samples

LABELS = ("boot", "ankle boot", "Siamese cat, Siamese", "日本")


def write(path: Path, kind: str = "PNG", side: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    return path


def found(folder: Path, given: bool = True) -> list[Sample]:
    return [sample for sample, _ in read_samples(folder if given else None, folder, LABELS)]


def test_labels_come_from_folders_and_names(tmp_path: Path) -> None:
    for name in ("Ankle-Boot-01.png", "boots.png", "boot_2.png", "Siamese cat, Siamese/My Photo.JPG", "日本/x.png"):
        write(tmp_path / name, "JPEG" if name.endswith("JPG") else "PNG")
    assert found(tmp_path) == [
        Sample(name="ankle-boot-01.png", label="ankle boot"),
        Sample(name="siamese-cat-siamese-my-photo.jpg", label="Siamese cat, Siamese"),
        Sample(name="boot-2.png", label="boot"),
        Sample(name="boots.png"),
        Sample(name="x.png"),
    ]


def test_names_are_safe_and_different(tmp_path: Path) -> None:
    for name in ("a b.png", "a_b.png", "日.png", "本.png", "x" * 200 + ".png", "cat.png.exe"):
        write(tmp_path / name)
    names = [sample.name for sample in found(tmp_path)]
    assert names == ["a-b.png", "a-b-2.png", "cat-png.png", "x" * 48 + ".png", "photo.png", "photo-2.png"]


def test_a_checkpoint_brings_its_own(tmp_path: Path) -> None:
    assert found(tmp_path, given=False) == []
    write(tmp_path / "showcase/boot.png")
    assert found(tmp_path, given=False) == [Sample(name="boot.png", label="boot")]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"--samples .*/none: no such folder"):
        read_samples(tmp_path / "none", tmp_path, LABELS)
    with pytest.raises(ExportError, match="0 files of 0 KiB together; accepted: 1 to 8 photos of up to 200 KiB"):
        found(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"no photo")
    with pytest.raises(ExportError, match=r"photo\.jpg cannot be read .*; accepted: JPEG and PNG"):
        found(tmp_path)
    write(tmp_path / "photo.jpg", "GIF")
    with pytest.raises(ExportError, match="accepted: JPEG and PNG"):
        found(tmp_path)
    write(tmp_path / "photo.jpg", side=400)
    with pytest.raises(ExportError, match=r"1 files of 4\d\d KiB together"):
        found(tmp_path)
    for number in range(9):
        write(tmp_path / f"{number}.png")
    with pytest.raises(ExportError, match="10 files"):
        found(tmp_path)
