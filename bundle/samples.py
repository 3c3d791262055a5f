"""The photos that a bundle brings to be shown with: a few small JPEG or PNG files, and what is on them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from vitscope.bundle.errors import BundleError
from vitscope.bundle.fields import Strict
from vitscope.bundle.files import read_regular

SAMPLES = "samples"
INDEX = f"{SAMPLES}/index.json"
MOST, MOST_BYTES = 8, 200 * 2**10
"""How many photos a bundle has at most, and their bytes together."""

PhotoKind = Literal["image/jpeg", "image/png"]
_SIGNATURES: dict[bytes, PhotoKind] = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


class Sample(Strict):
    """A photo. name: of its file in the folder. label: of its class; None where it is not known."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\.(jpg|png)$")]
    label: str | None = None


class Index(Strict):
    """samples/index.json."""

    samples: tuple[Sample, ...] = Field(max_length=MOST)


def kind_of(data: bytes) -> PhotoKind | None:
    """Return the media type of a photo by its first bytes; None for anything else."""
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)


def read_index(bundle: Path) -> tuple[Sample, ...]:
    """Return what a bundle's index lists. Raises BundleError."""
    try:
        return Index.model_validate_json(read_regular(bundle / INDEX)).samples
    except (OSError, ValidationError) as error:
        raise BundleError(f"{bundle / INDEX}: cannot be read as a list of samples ({error})") from error
