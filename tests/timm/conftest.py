"""timm needs torchvision, which transformers uses for image processors as soon as it is there.

So both are installed in a folder of their own, and `make unit` runs these tests with it on the path, apart from all
others, which see what users without timm have.
"""

import importlib.util
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

if importlib.util.find_spec("timm") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of real photos, of several sizes."""
    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate((skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea())):
        for step in range(4):
            crop = Image.fromarray(photo).crop((10 * step, 20 * step, 10 * step + 200 + 31 * step, 20 * step + 180))
            crop.save(folder / f"{number}-{step}.png")
    return folder
