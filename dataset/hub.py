"""Data sets of the Hugging Face hub, unpacked once to a folder of images in the user's cache.

The hub is asked through huggingface_hub, which reads HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE. A data set is either
images in folders or Parquet files; the hub itself converts most others, on the revision refs/convert/parquet.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from vitscope.dataset.errors import DatasetError
from vitscope.dataset.layout import NAMES
from vitscope.image_files import is_image_name

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?")
_CONVERTED = "refs/convert/parquet"


def is_id(text: str) -> bool:
    """Return whether a text can be the id of a data set: `owner/name`, or `owner/name:configuration`."""
    return _ID.fullmatch(text) is not None


def cache_folder() -> Path:
    """Return where data sets are unpacked: `vitscope/datasets` below XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitscope" / "datasets"


def fetch(source: str) -> Path:
    """Return a folder of <split>/<label>/<image> with the images of a hub data set; fetched and unpacked once.

    Raises DatasetError where there is no such data set, or none of labelled images.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    name, _, configuration = source.partition(":")
    unpacked = cache_folder() / source.replace("/", "--").replace(":", "--")
    api = HfApi()
    try:
        info = api.dataset_info(name)
        folder = unpacked / (info.sha or "main")
        if folder.is_dir():
            return folder
        files = [sibling.rfilename for sibling in info.siblings or ()]
        if images := [file for file in files if is_image_name(Path(file))]:
            fetched = snapshot_download(name, repo_type="dataset", revision=info.sha, allow_patterns=images)
            return _inner(Path(fetched))
        revision = info.sha
        if not any(file.endswith(".parquet") for file in files):
            revision = _CONVERTED
            files = api.list_repo_files(name, repo_type="dataset", revision=revision)
        chosen = _of_configuration(source, [file for file in files if file.endswith(".parquet")], configuration)
        fetched = snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=chosen)
    except DatasetError:
        raise
    except Exception as error:  # its errors, and those of whatever it speaks HTTP with
        # Without a network, what was fetched before does.
        if not isinstance(error, HfHubHTTPError) and (before := sorted(unpacked.glob("[!.]*"), key=_age)):
            return before[-1]
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatasetError(f"{source}: no such folder, and no data set that the hub gives: {reason}") from error
    return _unpacked(source, [Path(fetched) / file for file in chosen], folder)


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _inner(folder: Path) -> Path:
    """Return the folder in which splits or classes lie: many data sets have all of it in `data/`."""
    inner = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return _inner(inner[0]) if len(inner) == 1 and inner[0].name.lower() not in NAMES else folder


def _of_configuration(source: str, files: list[str], wanted: str) -> list[str]:
    """Return the Parquet files of one configuration: the first folder of their paths, but for `data/` and the root."""
    found = {file: _configuration(file) for file in files}
    names = sorted(set(found.values()))
    if not names:
        raise DatasetError(f"{source}: no images and no Parquet files; expected a data set of labelled images")
    if wanted not in names if wanted else len(names) > 1:
        ids = ", ".join(f"{source.partition(':')[0]}:{name}" for name in names)
        raise DatasetError(f"{source}: this data set has {len(names)} configurations; accepted are {ids}")
    return [file for file, name in found.items() if name == (wanted or names[0])]


def _configuration(file: str) -> str:
    first = Path(file).parts[0] if len(Path(file).parts) > 1 else "default"
    return "default" if first == "data" else first


def _unpacked(source: str, files: list[Path], folder: Path) -> Path:
    """Write the images below a folder that gets its name when all are there."""
    from vitscope.dataset.parquet import unpack

    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
    try:
        unpack(source, files, unfinished)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
