"""Every command that draws, on exported bundles and a real server: what a newcomer would run."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
import skimage.data
from PIL import Image

from tests.e2e.harness import RunningServer
from vitscope.bundle import open_bundle
from vitscope.cli import main


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo that is stored on its side, 451 x 300 pixels, and has to be turned by its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path_factory.mktemp("portrait") / "portrait.jpg"
    Image.fromarray(skimage.data.chelsea()).save(path, "JPEG", quality=90, exif=exif)
    return path


def words(path: Path) -> str:
    return " ".join("".join(one.itertext()) for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"))


def test_the_whole_way_of_a_photo(server: RunningServer, models: Path, portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    there = ["--server", server.address, "--model", "registers", "-o", str(out)]
    assert main(["patches", str(portrait), *there]) == 0
    assert "300 × 451 pixels, its shorter side scaled to 48, then cropped to 42 × 42" in words(out)
    assert main(["filters", str(models / "registers/1"), str(portrait), "--patch", "1,1", "-o", str(out)]) == 0
    assert "32 filters of 14 × 14 pixels" in words(out) and "Its 32 dot products" in words(out)
    assert main(["positions", str(models / "registers/1"), "-o", str(out)]) == 0
    assert "3 × 3 patches of an input of 42 × 42 pixels" in words(out)
    assert main(["explain", str(portrait), *there, "--method", "attention", "--layer", "all"]) == 0
    assert "Layer 1, mean" in words(out)
    labels = open_bundle(models / "registers/1").manifest.labels
    assert main(["explain", str(portrait), *there, "--class", labels[0], "--versus", labels[1]]) == 0
    text = words(out)
    assert f"Why {labels[0]} (" in text and f"rather than {labels[1]} (" in text and "log-odds" in text
    assert "The model saw 51% of it" in text


def test_a_method_that_the_model_has_not_is_refused_with_the_reason(
    server: RunningServer, portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(portrait), "--server", server.address, "--model", "fashion", "-o", str(tmp_path / "e.png")]
    assert main(["explain", *argv, "--method", "cam"]) == 2
    assert "the head of model 'fashion' reads cls, so its logits are no sums over patches" in capsys.readouterr().err
    assert main(["explain", *argv, "--class", "spaceship"]) == 2
    assert "spaceship" in capsys.readouterr().err
    assert not (tmp_path / "e.png").exists()


def test_a_picture_of_each_sample_is_an_image(server: RunningServer, tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "examples/fashion/samples/sneaker-00009.png"
    argv = ["--server", server.address, "--model", "fashion", "-o", str(tmp_path / "e.png")]
    assert main(["explain", str(sample), *argv]) == 0
    with Image.open(io.BytesIO((tmp_path / "e.png").read_bytes())) as picture:
        assert picture.format == "PNG" and picture.width > 1500
