"""What is in the models folder, what is served of it, and so what is to be done next. Decisions only: nothing here waits,
reads or loads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from vitscope.server.models.survey import Key, Stamp


@dataclass(frozen=True)
class Step:
    """Load a version, beside what serves under the same number if there is one; or let go of one."""

    kind: Literal["load", "drop"]
    key: Key


class Ledger:
    """Folder and server side by side.

    keep: serve the newest so many versions of each model, 0 all. What was asked for by hand goes before: a version that is `held`
    is not served until its files change, one that is `pinned` is served beside those that are kept. What is to be let go stays
    until all that is to be served of its model has been loaded, or has failed to; what is gone leaves at once where another
    version serves on.
    """

    def __init__(self, keep: int = 0) -> None:
        self.keep = keep
        self.folder: dict[Key, Stamp] = {}
        """The versions to act on."""
        self.serving: dict[Key, Stamp] = {}
        self.failed: dict[Key, Stamp] = {}
        """Files that could not be loaded; what served before under the same number may still do."""
        self.held: dict[Key, Stamp] = {}
        self.pinned: set[Key] = set()
        self._last: Mapping[Key, Stamp] | None = None

    def looked(self, now: Mapping[Key, Stamp]) -> None:
        """Take in what a look at the folder found. What has changed counts when two looks in a row agree on it, so that nothing is
        loaded in the middle of a copy; all that the first look finds counts at once."""
        for key in {*self.folder, *now}:
            if self._last is None or self._last.get(key) == now.get(key):
                self.take(key, now.get(key))
        self._last = dict(now)

    def take(self, key: Key, stamp: Stamp | None) -> None:
        """Act from now on upon this version as it is found, or as gone (None)."""
        if stamp is None:
            self.folder.pop(key, None)
            self.pinned.discard(key)
        else:
            self.folder[key] = stamp
        if self.held.get(key) != stamp:
            self.held.pop(key, None)
        restored = key in self.serving and stamp and stamp.manifest == self.serving[key].manifest
        if restored and self.failed.get(key) != stamp:
            self.failed.pop(key, None)  # what could not be loaded has been taken back

    def loaded(self, key: Key, stamp: Stamp) -> None:
        self.serving[key] = stamp
        self.failed.pop(key, None)

    def load_failed(self, key: Key, stamp: Stamp) -> None:
        self.failed[key] = stamp

    def dropped(self, key: Key) -> None:
        self.serving.pop(key, None)
        self.failed.pop(key, None)

    def ask_for(self, key: Key) -> None:
        """A version of the folder is to be served, by hand; one that failed is tried again."""
        self.held.pop(key, None)
        self.failed.pop(key, None)
        if not self.wants(key):
            self.pinned.add(key)

    def hold(self, key: Key) -> None:
        """A version is not to be served, by hand."""
        self.pinned.discard(key)
        if key in self.folder:
            self.held[key] = self.folder[key]

    def known(self) -> list[Key]:
        """Versions that are served or have failed, ordered by name and then version."""
        return sorted({*self.serving, *self.failed})

    def gone(self, key: Key) -> bool:
        """Whether a version has been removed, or unloaded by hand."""
        return key not in self.folder or key in self.held

    def wants(self, key: Key) -> bool:
        """Whether a version is to be served."""
        return key in self._wanted(key[0])

    def why_not(self, key: Key) -> str:
        """Why a version of the folder is not on the server."""
        if key in self.held:
            return "unloaded by hand"
        if key not in self.folder:
            return "found just now"
        return f"older than the {self.keep} that are kept"

    def steps(self, name: str | None = None) -> list[Step]:
        """All that is to be done now, of one model or of all: letting go of what no load has to come before, then loads in the
        order of the folder. They change with every step that is taken."""
        names = sorted({key[0] for key in (*self.folder, *self.serving, *self.failed) if name in (None, key[0])})
        loads = {name: list(self._loads(name)) for name in names}
        drops = [Step("drop", key) for name in names for key in self._drops(name, bool(loads[name]))]
        return drops + [Step("load", key) for name in names for key in loads[name]]

    def _loads(self, name: str) -> Iterator[Key]:
        for key in reversed(self._wanted(name)):
            other = key in self.serving and self.serving[key].manifest != self.folder[key].manifest
            if key not in self.serving or (other and not self._has_failed(key)):
                yield key

    def _drops(self, name: str, loading: bool) -> Iterator[Key]:
        """loading: whether there is more to be loaded of this model."""
        wanted = self._wanted(name)
        full = 0 < self.keep <= len(wanted)
        another_serves = any(key in self.serving for key in wanted)
        for key in self.known():
            if key[0] != name:
                continue
            gone = self.gone(key)
            if loading and not (gone and another_serves):
                continue
            # Nobody waits for what failed once there is enough that is newer, unless it was asked for by hand.
            passed = full and key < wanted[-1] and key not in self.pinned
            if (key in self.serving or gone or passed) and key not in wanted:
                yield key

    def _wanted(self, name: str) -> list[Key]:
        """What is to be served of a model, newest first: what failed leaves its place to the next older one."""
        there = sorted((key for key in self.folder if key[0] == name and key not in self.held), reverse=True)
        usable = [key for key in there if key in self.serving or not self._has_failed(key)]
        return usable if not self.keep else [k for at, k in enumerate(usable) if at < self.keep or k in self.pinned]

    def _has_failed(self, key: Key) -> bool:
        return self.failed.get(key) == self.folder[key]
