"""Image file directories (TIFF 6.0 section 2, and BigTIFF), as in TIFF files and EXIF."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Bytes of a value of each type (TIFF 6.0 section 2, TIFF technical note 1, BigTIFF); 1 for types that are unknown.
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Entry:
    """One field. at: offset of the value, or of the offset of its `count` values of type `kind`."""

    tag: int
    kind: int
    count: int
    at: int

    @property
    def size(self) -> int:
        """Return the bytes of all values."""
        return self.count * _SIZES.get(self.kind, 1)


@dataclass(frozen=True)
class Layout:
    """How directories are written in one file. order: of bytes, as in struct. big: BigTIFF."""

    order: str
    big: bool

    @classmethod
    def of(cls, data: bytes) -> "Layout":
        """Return the layout that the first bytes of a TIFF file name."""
        return cls("<" if data[:2] == b"II" else ">", 43 in data[2:4])

    def first(self, data: bytes) -> int:
        """Return the offset of the first directory. Raises struct.error where there is none."""
        return int(struct.unpack_from(self.order + ("Q" if self.big else "I"), data, 8 if self.big else 4)[0])

    def chain(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the offset of the first entry and the number of entries of each directory, up to a loop."""
        offset, count, entry = ("Q", "Q", 20) if self.big else ("I", "H", 12)
        seen: set[int] = set()
        try:
            at = self.first(data)
            while at and at not in seen:
                seen.add(at)
                (entries,) = struct.unpack_from(self.order + count, data, at)
                first = at + struct.calcsize(self.order + count)
                yield first, entries
                (at,) = struct.unpack_from(self.order + offset, data, first + entries * entry)
        except (struct.error, OverflowError):
            return

    def entries(self, data: bytes, at: int, count: int) -> Iterator[Entry]:
        """Yield the `count` entries from the offset `at`, as far as the file goes."""
        form, size, value = (self.order + "HHQ", 20, 12) if self.big else (self.order + "HHI", 12, 8)
        for entry in range(at, min(at + count * size, len(data) - size + 1), size):
            tag, kind, values = struct.unpack_from(form, data, entry)
            yield Entry(tag, kind, values, entry + value)

    def value(self, data: bytes, entry: Entry) -> int | None:
        """Return the first value where it is a whole number that stands in the entry itself or in the file."""
        form = _WHOLE_NUMBERS.get(entry.kind)
        if form is None or not entry.count:
            return None
        try:
            return int(struct.unpack_from(self.order + form, data, self._at(data, entry))[0])
        except (struct.error, OverflowError):
            return None

    def text(self, data: bytes, entry: Entry) -> str:
        """Return at most 64 characters of a text."""
        at = self._at(data, entry)
        return data[at : at + min(entry.size, 64)].split(b"\0")[0].decode("ascii", "replace").strip()

    def _at(self, data: bytes, entry: Entry) -> int:
        if entry.size <= (8 if self.big else 4):
            return entry.at
        return int(struct.unpack_from(self.order + ("Q" if self.big else "I"), data, entry.at)[0])
