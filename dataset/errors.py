"""The expected failures of reading a data set, and how a message lists what was found."""

from collections.abc import Iterable

MOST = 10


class DatasetError(Exception):
    """An expected failure. The message names the folder or files, what was found and what is accepted."""


def listed(items: Iterable[object], most: int = MOST) -> str:
    """Return the first `most` items separated by commas, and how many more there are."""
    texts = [text if (text := str(item)).isprintable() else ascii(text) for item in items]
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 image`, `2 images`; `plural` for nouns that take no s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
