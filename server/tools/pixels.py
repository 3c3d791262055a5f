"""Images prepared in each way that the server has, in a process of its own, for the certificate of an export."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vitscope.bundle import InputContract, TokenGeometry
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.limits import Decoding, ImageLimits
from vitscope.server.images.prepare import prepare_encoded, shrinks
from vitscope.server.images.resample import SIMD
from vitscope.server.images.transform import plan_fit

# With fewer images on which the server takes its shortcuts, copies are enlarged to sizes at which it does: resized by
# SIMD, decoded at 1/2, and both.
_FEWEST, _COPIES = 8, 24
_ENLARGED = (1.5, 3.0, 6.5)  # times the size that the image is resized to
_LARGEST = 2**24  # pixels of an enlarged copy


class Pixels:
    """Prepares images for one model."""

    def __init__(self, contract: InputContract, tokens: TokenGeometry) -> None:
        self._contract, self._tokens = contract, tokens
        self.blank = np.empty((0, contract.height, contract.width, 3), np.uint8)

    def prepared(self, data: bytes, decoding: Decoding) -> np.ndarray:
        """Return uint8 [H, W, 3] of a file. Raises InvalidRequest."""
        limits = ImageLimits(decoding=decoding)
        return prepare_encoded(data, self._contract, self._tokens, limits, keep_photo=False).pixels

    def shortens(self, data: bytes) -> bool:
        """Return whether a readable file is large enough for the shortcuts."""
        image, _ = decode(data, ImageLimits())
        return shrinks(image.size, plan_fit(image.size, self._contract))

    def enlarged(self, files: Sequence[bytes]) -> Iterator[bytes]:
        """Yield copies of some of the files as larger JPEG files."""
        for number, data in enumerate(files[:: -(-len(files) // _COPIES)]):
            image, _ = decode(data, ImageLimits())
            fit = plan_fit(image.size, self._contract)
            factor = min(_ENLARGED[number % len(_ENLARGED)], (_LARGEST / (fit.width * fit.height)) ** 0.5)
            size = (round(fit.width * factor), round(fit.height * factor))
            copy = io.BytesIO()
            image.resize(size, Image.Resampling.BICUBIC).save(copy, "JPEG", quality=90)
            yield copy.getvalue()


def measure(pixels: Pixels, files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Prepare the files.

    Returns `own` (indices of the files that the server accepts at its default limits) and their exact pixels `exact`;
    `long` and `short`, the pixels without and with the shortcuts of files that they are taken for; `enlarged`, how many
    of these, the last ones, are copies; `simd`.
    """
    own, accepted, exact = list[int](), list[bytes](), list[np.ndarray]()
    for index, path in enumerate(files):
        data = path.read_bytes()
        try:
            exact.append(pixels.prepared(data, "exact"))
        except InvalidRequest:
            continue
        own.append(index)
        accepted.append(data)
    taken = [data for data in accepted if pixels.shortens(data)]
    copies = list(pixels.enlarged(accepted)) if accepted and len(taken) < _FEWEST else []
    ways: dict[Decoding, list[np.ndarray]] = {
        way: [pixels.prepared(data, way) for data in (*taken, *copies)] for way in ("exact", "scaled")
    }
    return {
        "own": np.array(own, np.int64),
        "exact": np.stack(exact) if exact else pixels.blank,
        "long": np.stack(ways["exact"]) if taken or copies else pixels.blank,
        "short": np.stack(ways["scaled"]) if taken or copies else pixels.blank,
        "enlarged": np.array(len(copies)),
        "simd": np.array(SIMD),
    }


def main(argv: Sequence[str]) -> int:
    """Read {"input", "tokens", "files"} as JSON from standard input, write what `measure` returns to the .npz file."""
    (out,) = argv
    asked = json.load(sys.stdin)
    contract = InputContract.model_validate(asked["input"])
    pixels = Pixels(contract, TokenGeometry.model_validate(asked["tokens"]))
    np.savez(Path(out), allow_pickle=False, **measure(pixels, [Path(name) for name in asked["files"]]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
