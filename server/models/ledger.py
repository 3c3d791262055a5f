"""Decides what to load and what to retire, from what the folder holds and what is served. Does no I/O itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from vitscope.server.models.key import ModelKey
from vitscope.server.models.survey import Stamp


@dataclass(frozen=True)
class Step:
    """Load a version, which replaces one that serves under the same number, or retire a version."""

    kind: Literal["load", "retire"]
    key: ModelKey


class Ledger:
    """Versions in the folder and versions on the server.

    keep: serve the newest `keep` versions of each model, 0 all. Requests by hand take precedence: a version that is
    `held` is not served until its files change, one that is `pinned` is served in addition to those that are kept. A
    version is retired only after all versions of its model that are to be served have been loaded or have failed; one
    that was removed or unloaded by hand is retired at once if another version serves.
    """

    def __init__(self, keep: int = 0) -> None:
        self.keep = keep
        self.folder: dict[ModelKey, Stamp] = {}
        """Versions in the folder, as far as confirmed."""
        self.serving: dict[ModelKey, Stamp] = {}
        self.failed: dict[ModelKey, Stamp] = {}
        """Contents that could not be loaded. What served before under the same number may still serve."""
        self.held: dict[ModelKey, Stamp] = {}
        """Contents that were unloaded by hand."""
        self.pinned: set[ModelKey] = set()
        """Versions that were loaded by hand and that `keep` excludes."""
        self._last: Mapping[ModelKey, Stamp] | None = None

    def observe(self, found: Mapping[ModelKey, Stamp]) -> None:
        """Record a survey of the folder. A change is confirmed when two surveys in a row agree on it, so that nothing
        is loaded in the middle of a copy; the first survey is confirmed at once. The versions of a model whose folder
        cannot be read any more stay as they are."""
        found = self._with_known(found)
        for key in {*self.folder, *found}:
            if self._last is None or self._last.get(key) == found.get(key):
                self.confirm(key, found.get(key))
        self._last = dict(found)

    def _with_known(self, found: Mapping[ModelKey, Stamp]) -> Mapping[ModelKey, Stamp]:
        """Put the versions that are known in the place of keys that stand for an unreadable folder."""
        known = {
            name: {key: self.folder[key] for key in self.folder if key.name == name and not key.is_unreadable}
            for name in {key.name for key in found if key.is_unreadable}
        }
        kept = {key: stamp for key, stamp in found.items() if not (key.is_unreadable and known[key.name])}
        return {**kept, **{key: stamp for versions in known.values() for key, stamp in versions.items()}}

    def confirm(self, key: ModelKey, stamp: Stamp | None) -> None:
        """Act from now on upon this content of a version's folder; None: it was removed."""
        if stamp is None:
            self.folder.pop(key, None)
            self.pinned.discard(key)
        else:
            self.folder[key] = stamp
        if self.held.get(key) != stamp:
            self.held.pop(key, None)
        restored = key in self.serving and stamp and stamp.manifest == self.serving[key].manifest
        if restored and self.failed.get(key) != stamp:
            self.failed.pop(key, None)  # the folder holds again what serves

    def loaded(self, key: ModelKey, stamp: Stamp) -> None:
        self.serving[key] = stamp
        self.failed.pop(key, None)

    def load_failed(self, key: ModelKey, stamp: Stamp) -> None:
        self.failed[key] = stamp

    def retired(self, key: ModelKey) -> None:
        self.serving.pop(key, None)
        self.failed.pop(key, None)

    def request_load(self, key: ModelKey) -> None:
        """Serve a version of the folder, by hand. One that failed is tried again."""
        self.held.pop(key, None)
        self.failed.pop(key, None)
        if not self.wants(key):
            self.pinned.add(key)

    def request_unload(self, key: ModelKey) -> None:
        """Do not serve a version, by hand."""
        self.pinned.discard(key)
        if key in self.folder:
            self.held[key] = self.folder[key]

    def known(self) -> list[ModelKey]:
        """Return the versions that are served or have failed, ordered by name and then version."""
        return sorted({*self.serving, *self.failed})

    def withdrawn(self, key: ModelKey) -> bool:
        """Return whether a version was removed from the folder or unloaded by hand."""
        return key not in self.folder or key in self.held

    def wants(self, key: ModelKey) -> bool:
        """Return whether a version is to be served."""
        return key in self._wanted(key.name)

    def why_not_served(self, key: ModelKey) -> str:
        """Return why a version of the folder is not on the server."""
        if key in self.held:
            return "unloaded by hand"
        if key not in self.folder:
            return "found just now"
        return f"older than the {self.keep} that are kept"

    def steps(self, name: str | None = None) -> list[Step]:
        """Return all steps to take now, for one model or all: the versions to retire that need not wait for a load,
        then loads in the order of the folder. Each step taken changes what this returns."""
        names = sorted({key.name for key in (*self.folder, *self.serving, *self.failed) if name in (None, key.name)})
        loads = {name: list(self._to_load(name)) for name in names}
        retire = [Step("retire", key) for name in names for key in self._to_retire(name, bool(loads[name]))]
        return retire + [Step("load", key) for name in names for key in loads[name]]

    def _to_load(self, name: str) -> Iterator[ModelKey]:
        for key in reversed(self._wanted(name)):
            other = key in self.serving and self.serving[key].manifest != self.folder[key].manifest
            if key not in self.serving or (other and not self._has_failed(key)):
                yield key

    def _to_retire(self, name: str, loading: bool) -> Iterator[ModelKey]:
        """Yield the versions of a model to retire now. loading: more of its versions are to be loaded."""
        wanted = self._wanted(name)
        full = 0 < self.keep <= len(wanted)
        another_serves = any(key in self.serving for key in wanted)
        for key in self.known():
            if key.name != name:
                continue
            withdrawn = self.withdrawn(key)
            if loading and not (withdrawn and another_serves):
                continue
            # A failed version is not kept for a retry once enough newer ones serve, unless it was asked for by hand.
            superseded = full and key < wanted[-1] and key not in self.pinned
            if (key in self.serving or withdrawn or superseded) and key not in wanted:
                yield key

    def _wanted(self, name: str) -> list[ModelKey]:
        """Return the versions of a model to be served, newest first. The place of one that failed goes to the next
        older one."""
        there = sorted((key for key in self.folder if key.name == name and key not in self.held), reverse=True)
        usable = [key for key in there if key in self.serving or not self._has_failed(key)]
        return usable if not self.keep else [k for at, k in enumerate(usable) if at < self.keep or k in self.pinned]

    def _has_failed(self, key: ModelKey) -> bool:
        return self.failed.get(key) == self.folder[key]
