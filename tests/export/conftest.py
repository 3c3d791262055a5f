"""Photos, checkpoints and bundles of every family that the export tests share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.conftest import Once
from tests.export.checkpoints import MAKERS, save
from vitscope.bundle import Bundle, open_bundle
from vitscope.export.pipeline import ExportJob, export_checkpoint

# One thread: for models this small, synchronizing a second one takes longer than the computation.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 crops of real photos in sub-folders, of several sizes, one grey and one rotated by EXIF."""
    folder = tmp_path_factory.mktemp("photos")
    sources = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    sources += load_sample_images().images
    random = np.random.default_rng(3)
    for number, photo in enumerate(sources):
        place = folder / f"source{number}"
        place.mkdir()
        for crop in range(4):
            height, width = random.integers(60, 250, 2)
            top, left = random.integers(0, photo.shape[0] - height), random.integers(0, photo.shape[1] - width)
            Image.fromarray(photo[top : top + height, left : left + width]).save(place / f"{crop}.jpg", quality=92)
    grey = folder / "source0" / "0.jpg"
    Image.open(grey).convert("L").save(grey)
    with Image.open(folder / "source1" / "0.jpg") as turned:
        exif = turned.getexif()
        exif[0x0112] = 6
        turned.save(folder / "source1" / "0.jpg", exif=exif)
    return folder


@pytest.fixture(scope="session")
def checkpoints(once: Once) -> dict[str, Path]:
    """A checkpoint folder of every family."""

    def fill(folder: Path) -> None:
        for name, make in MAKERS.items():
            save(folder / name, make())

    folder = once("checkpoints", fill)
    return {name: folder / name for name in MAKERS}


class Exported(dict[str, Bundle]):
    """Bundles by family, each exported by the first of all processes that asks for it."""

    def __init__(self, export: Callable[[str], Bundle]) -> None:
        self._export = export

    def __missing__(self, name: str) -> Bundle:
        self[name] = self._export(name)
        return self[name]


@pytest.fixture(scope="session")
def bundles(once: Once, checkpoints: dict[str, Path], photos: Path) -> dict[str, Bundle]:
    """Every family's checkpoint, exported with both graphs and a certificate.

    Uncertified precisions are allowed: random weights make near-ties, which bfloat16 may decide differently.
    """

    def export(name: str) -> Bundle:
        def fill(folder: Path) -> None:
            evidence = name in ("vit", "deit-distilled", "dinov2-with-registers")  # tracing it takes seconds
            job = ExportJob(
                str(checkpoints[name]), folder, name, calibration=photos, allow_uncertified=True, evidence=evidence
            )
            export_checkpoint(job)

        return open_bundle(once(f"bundle-{name}", fill) / name / "1")

    return Exported(export)
