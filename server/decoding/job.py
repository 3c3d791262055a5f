"""What is decoded in a process of its own, and what comes back."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from vitscope.bundle import InputContract, TokenGeometry
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.geometry import Geometry
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded


@dataclass(frozen=True, eq=False, slots=True)
class Budget:
    """What one image may cost. seconds: of processor time, of all threads. bytes: of memory."""

    seconds: float = 10.0
    bytes: int = 2**30


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True, eq=False, slots=True)
class DecodeJob:
    """A file to be decoded and fitted to a model's input; calling it does that."""

    data: bytes
    contract: InputContract
    tokens: TokenGeometry
    limits: ImageLimits
    keep_photo: bool

    def __call__(self) -> Prepared:
        """Decode here. Raises InvalidRequest."""
        return prepare_encoded(self.data, self.contract, self.tokens, self.limits, self.keep_photo)

    def pack(self, budget: Budget) -> tuple[bytes, bytes]:
        """Return the parts of the message to the process that decodes."""
        rest = (self.contract, self.tokens, self.limits, self.keep_photo, budget)
        return pickle.dumps(rest, pickle.HIGHEST_PROTOCOL), self.data

    @classmethod
    def unpack(cls, parts: Sequence[bytes]) -> tuple["DecodeJob", Budget]:
        """Read what `pack` returned."""
        contract, tokens, limits, keep_photo, budget = pickle.loads(parts[0])
        return cls(parts[1], contract, tokens, limits, keep_photo), budget


# The replies are JSON and pixels, never pickles: whoever takes over a decoder with a forged file must not get to run
# code in the server.


def pack_prepared(prepared: Prepared) -> tuple[bytes, bytes, bytes]:
    """Return the parts of the message with a decoded image."""
    photo = prepared.photo
    head = {
        "shape": prepared.pixels.shape,
        "geometry": asdict(prepared.geometry),
        "photo": photo and photo.size,
    }
    return json.dumps(head).encode(), prepared.pixels.tobytes(), photo.tobytes() if photo else b""


def pack_refusal(error: InvalidRequest) -> tuple[bytes]:
    """Return the message about a file that cannot be used."""
    return (json.dumps({"refused": [error.field, error.found, error.accepted]}).encode(),)


def pack_failure(kind: str, text: str) -> tuple[bytes]:
    """Return the message about an image that failed. kind: "memory" or "error"."""
    return (json.dumps({"failed": [kind, text]}).encode(),)


class Failed(Exception):
    """The image was not decoded, for a reason of this `kind`: "memory" or "error"."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


def unpack_reply(parts: Sequence[bytes]) -> Prepared:
    """Return the decoded image of a reply. Raises InvalidRequest or Failed where the reply says so."""
    head = json.loads(parts[0])
    if "refused" in head:
        field, found, accepted = map(str, head["refused"])
        raise InvalidRequest(field, found, accepted)
    if "failed" in head:
        raise Failed(*map(str, head["failed"]))
    pixels = np.frombuffer(parts[1], np.uint8).reshape(head["shape"])
    places: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in head["geometry"].items()
    }
    size = head["photo"]
    photo = Image.frombytes("RGB", tuple(size), parts[2]) if size else None
    return Prepared(pixels, Geometry(**places), photo)
