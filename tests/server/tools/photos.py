"""Photos for the commands that read images."""

from pathlib import Path

from PIL import Image


def photos(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of one colour each, each brighter than the last."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (90, 60), (number, 2 * number % 256, 9)).save(path)
    return paths
