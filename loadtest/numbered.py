"""Requests that are serialised once and sent many times, each time with another number in the image.

The server computes equal images only once, so no two requests of a load may be equal. Serialising a photo for each
request would take processor time from the server that is measured: a message is serialised once with MARK in the place
of the number, and split there.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

# As long as a number; nothing else in a message looks like it.
MARK = b"@vitscope-number"
_COM = b"\xff\xfe"  # JPEG comment segment, ITU-T T.81, B.2.4.5


@dataclass(frozen=True)
class Numbered:
    """A serialised message without its number. parts: the bytes before, between and after the places of the number."""

    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, message: Message) -> "Numbered":
        """Serialise a message that has MARK in one place or more. Raises ValueError where it has none."""
        parts = message.SerializeToString().split(MARK)
        if len(parts) == 1:
            raise ValueError("the message carries no mark")
        return cls(tuple(parts))

    def with_number(self, number: bytes) -> bytes:
        """Return the message with a number of 16 bytes in each of its places."""
        return number.join(self.parts)


def numbers() -> Iterator[bytes]:
    """Yield numbers without end, each of 16 ASCII characters.

    The first eight are random: two processes that both counted from 0 would send equal images.
    """
    prefix = os.urandom(4).hex().encode()
    return (b"%b%08x" % (prefix, count & 0xFFFFFFFF) for count in itertools.count())


def in_comment(jpeg: bytes, number: bytes = MARK) -> bytes:
    """Return the same JPEG with a number in a comment segment."""
    return jpeg[:2] + _COM + (len(number) + 2).to_bytes(2, "big") + number + jpeg[2:]


def after_end(image: bytes, number: bytes = MARK) -> bytes:
    """Return an image file of any format with a number behind its end, where no decoder reads."""
    return image + number
