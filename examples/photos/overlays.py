"""What the model looks at in whole photos, as this example shows it."""

from pathlib import Path

from examples.sheet import contact_sheet
from vitscope import Client, Result
from vitscope.client.request import Options, RenderingOptions

# Of DINOv2's twelve layers the last but one lies on the subject most clearly; in the last, some heads attend to the
# background.
SETTING: Options = {
    "top_k": 3,
    "attention": [-2],
    "rendering": RenderingOptions(color_map="inferno", opacity=0.6, size=640, format="jpeg"),
}
SHOWN = ("astronaut", "cat", "coffee", "retina")


def draw(address: str, photos: Path, out: Path) -> list[tuple[Path, Result]]:
    """Classify all photos; write an overlay of each below `out`, and `out`.jpg, a sheet of four. Return all answers."""
    paths = sorted(photos.glob("*.jpg"))
    out.mkdir(parents=True, exist_ok=True)
    with Client(address) as client:
        results = [(path, client.classify(path, **SETTING)) for path in paths]
    for path, result in results:
        picture = result.maps[0].picture
        assert picture is not None
        (out / path.name).write_bytes(picture.data)
    shown = sorted((found for found in results if found[0].stem in SHOWN), key=lambda found: SHOWN.index(found[0].stem))
    contact_sheet(shown, out.with_suffix(".jpg"), columns=4, height=240)
    return results
