"""The identity of a model version."""

from pathlib import Path
from typing import NamedTuple


class ModelKey(NamedTuple):
    """Name and version of a model. Keys are ordered by name and then version."""

    name: str
    version: int

    @classmethod
    def of_unreadable(cls, name: str) -> "ModelKey":
        """Return the key that stands for a model whose folder cannot be read, so that its versions are unknown."""
        return cls(name, 0)

    @property
    def is_unreadable(self) -> bool:
        return self.version == 0

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @classmethod
    def of(cls, folder: Path) -> "ModelKey":
        """Return the key of the bundle folder `<models>/<name>/<version>`. Raises ValueError where the version is no
        number."""
        return cls(folder.parent.name, int(folder.name))
