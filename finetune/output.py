"""The folder of the result: what may be written there, and how nothing better than the new is ever lost.

A run works in `<out>/.training`. Files get to `<out>` by renaming, each whole: after every better epoch where there was
no checkpoint, and at the very end where one is to be overwritten. So an end at any moment leaves the old result or a
new one.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from vitscope.finetune.errors import FinetuneError

WORK = ".training"
_SETTINGS, _BEST = "settings.json", "best.json"
CONFIG = "config.json"


class Output:
    """The result folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / WORK

    def begin(self, overwrite: bool, resume: bool) -> dict[str, Any] | None:
        """Check what is there; return the settings of the run that is to go on, None for a new one.

        Raises FinetuneError for a folder that is in use and neither to be overwritten nor gone on with.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise FinetuneError(f"--out {self.folder}: a file; expected a folder, or a name that is free")
        settings = self._stored()
        if resume:
            if settings is None:
                raise FinetuneError(f"--resume: {self.folder} holds no unfinished run; leave --resume out to begin one")
            return settings
        if not overwrite:
            self._refuse_used(settings)
        elif self._entries() and settings is None and not (self.folder / CONFIG).exists():
            raise FinetuneError(f"--overwrite: {self.folder} holds other things than a checkpoint; choose a new folder")
        return None

    def unfinished(self) -> bool:
        """Return whether a run can go on here."""
        return self._stored() is not None

    def create(self, settings: dict[str, Any]) -> None:
        """Begin a new run, from nothing. Raises FinetuneError where the folder cannot be written."""
        try:
            # A run that had published weights of its own has no older result to protect.
            early = not (self.folder / CONFIG).exists() or bool((self._stored() or {}).get("early"))
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            replace_text(self.work / _SETTINGS, json.dumps({**settings, "early": early}, indent=2) + "\n")
        except OSError as error:
            raise FinetuneError(f"--out {self.folder}: cannot be written ({error.strerror})") from error

    def best(self) -> dict[str, Any] | None:
        """Return what `keep_best` was told last."""
        try:
            found: dict[str, Any] = json.loads((self.work / _BEST).read_text())
        except FileNotFoundError:
            return None
        return found

    def best_folder(self) -> Path:
        """Return the checkpoint of the best weights so far."""
        return self.work / str((self.best() or {})["folder"])

    def keep_best(self, model: Any, processor: Any, facts: dict[str, Any]) -> None:
        """Write a better model; the one before is removed when this is whole."""
        before = self.best()
        name = f"best-{facts['stage']}-{facts['epoch']}"
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        save(model, processor, folder)
        replace_text(self.work / _BEST, json.dumps({**facts, "folder": name}) + "\n")
        if before and before["folder"] != name:
            shutil.rmtree(self.work / before["folder"], ignore_errors=True)
        if (self._stored() or {}).get("early"):
            self.publish(folder)

    def publish(self, staged: Path) -> None:
        """Rename copies of all files below `staged` to their places, and remove weights that were of another model."""
        files = sorted(path for path in staged.rglob("*") if path.is_file())
        incoming = self.work / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        for path in files:
            copy = incoming / path.relative_to(staged)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for path in files:
            target = self.folder / path.relative_to(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            (incoming / path.relative_to(staged)).replace(target)
        for path in self.folder.iterdir():
            stale = path.suffix in (".safetensors", ".bin") or path.name.endswith(".index.json")
            if stale and not (staged / path.name).exists():
                path.unlink()

    def finish(self) -> None:
        """Remove what only going on needs."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _refuse_used(self, settings: dict[str, Any] | None) -> None:
        if settings is not None:
            raise FinetuneError(
                f"--out {self.folder}: holds an unfinished run; go on with --resume, or begin again with --overwrite"
            )
        if entries := self._entries():
            what = "a checkpoint" if (self.folder / CONFIG).exists() else f"{len(entries)} files"
            raise FinetuneError(
                f"--out {self.folder}: holds {what} already; choose a new folder, or replace it with --overwrite"
            )

    def _entries(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def _stored(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.work / _SETTINGS).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write an ordinary checkpoint of transformers, readable for whom the umask says."""
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.iterdir():  # the weights are written through a temporary file, which has mode 600
        path.chmod(0o666 & ~umask)


def replace_text(path: Path, text: str) -> None:
    """Write a small file that is there whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)
