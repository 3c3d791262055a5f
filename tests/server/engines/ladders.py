"""Another ladder than this machine's, for tests of engines that it cannot run."""

from dataclasses import replace
from typing import Any

import pytest

from vitscope.server.engines import ladder


def change_kind(patch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    """Replace fields of the engine called `name` in the ladder."""
    kinds = [replace(kind, **changes) if kind.name == name else kind for kind in ladder.LADDER]
    patch.setattr(ladder, "LADDER", tuple(kinds))


def runs_here(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Let this machine run the engines of these names, in every precision."""
    for name in names:
        change_kind(patch, name, why_not=lambda precision: None)
