"""Files of a folder that others write to: whatever lies there, opening it neither waits nor reads without bound."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.sample import write_sample
from vitscope.bundle import BundleError, open_bundle
from vitscope.bundle.files import read_regular

FILES = ("manifest.json", "manifest.sha256", "certificate.json", "explain.npz", "graphs/weights.bin")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 10**9)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a named pipe"),
    "folder": (Path.mkdir, "a folder"),
    "socket": (_socket, "a socket"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "terminal": (lambda path: path.symlink_to("/dev/tty"), "a device"),
    "link to itself": (lambda path: path.symlink_to(path), "unreadable|cannot be read"),
    "sparse file": (_sparse, "50,000,000,000 bytes; accepted: at most"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_of_bounded_size_is_named(
    tmp_path: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most some hundred characters
    path = write_sample(tmp_path / "models") / name
    path.unlink()
    make, found = KINDS[kind]
    make(path)
    with pytest.raises(BundleError, match=rf"{name}: .*({found})"):
        open_bundle(path.parents[name.count("/")])


def test_a_file_behind_links_is_read(tmp_path: Path) -> None:
    """As volumes made from ConfigMaps are laid out."""
    (tmp_path / "data").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert read_regular(tmp_path / "link") == b"content"


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", largest=5) == b"12345"
    with pytest.raises(BundleError, match="file: 5 bytes; accepted: at most 4"):
        read_regular(tmp_path / "file", largest=4)


def test_verifying_ends_when_it_is_no_longer_wanted(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "models")
    asked = threading.Event()

    def proceed() -> None:
        asked.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_bundle(path, proceed)
    assert asked.is_set()


def test_a_manifest_nested_without_end_is_an_error_of_the_bundle(tmp_path: Path) -> None:
    path = write_sample(tmp_path / "models")
    (path / "manifest.json").write_bytes(b"[" * 200_000)
    with pytest.raises(BundleError, match="changed since the export"):
        open_bundle(path)
