"""The cache on disk, and what becomes of damaged, old and foreign entries."""

import multiprocessing
import os
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitscope.server.engines.cache import EngineCache, user_folder

KEY = {"graph": "classify", "threads": 2, "sets": ("avx2", "fma")}


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_written_is_read_and_only_under_its_key(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    assert cache.read(KEY) is None
    cache.write(KEY, b"one\ntwo")
    assert EngineCache(tmp_path / "engines").read(dict(reversed(KEY.items()))) == b"one\ntwo"
    assert cache.read({**KEY, "threads": 4}) is None
    cache.write(KEY, b"three")
    assert cache.read(KEY) == b"three"
    assert len(entries(tmp_path / "engines")) == 1


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_noticed_and_the_entry_deleted(tmp_path: Path, at: int, bit: int) -> None:
    cache = EngineCache(tmp_path)
    cache.write(KEY, b"content")
    (path,) = entries(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[at % len(damaged)] ^= 1 << bit
    path.write_bytes(damaged)
    assert cache.read(KEY) is None
    assert entries(tmp_path) == []


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_an_incomplete_entry_is_deleted(tmp_path: Path, length: int) -> None:
    cache = EngineCache(tmp_path)
    cache.write(KEY, b"content")
    (path,) = entries(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    assert cache.read(KEY) is None
    assert entries(tmp_path) == []


def test_an_entry_of_another_key_is_refused_under_this_name(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    cache.write(KEY, b"mine")
    (mine,) = entries(tmp_path)
    cache.write({**KEY, "threads": 4}, b"foreign")
    (foreign,) = set(entries(tmp_path)) - {mine}
    foreign.replace(mine)
    assert cache.read(KEY) is None


def test_the_next_folder_is_used_where_the_first_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EngineCache(tmp_path / "file/engines", tmp_path / "second")
    cache.write(KEY, b"content")
    assert len(entries(tmp_path / "second")) == 1
    assert cache.read(KEY) == b"content"


def test_a_cache_without_a_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EngineCache(tmp_path / "file/engines")
    cache.write(KEY, b"content")
    assert cache.read(KEY) is None


def test_a_folder_that_was_moved_away_is_not_created_again(tmp_path: Path) -> None:
    bundle = tmp_path / "models/fashion/2"
    bundle.mkdir(parents=True)
    cache = EngineCache(tmp_path / "user/engines", in_bundle=bundle / "engines")
    cache.write(KEY, b"one")
    bundle.rename(tmp_path / "elsewhere")
    cache.write(KEY, b"two")
    assert not bundle.exists()
    assert cache.read(KEY) == b"two"
    assert len(entries(tmp_path / "elsewhere/engines")) == len(entries(tmp_path / "user/engines")) == 1


LARGE = bytes(100_000)


def test_the_least_recently_used_entries_and_what_a_killed_server_left_are_deleted(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    for number in range(32):
        cache.write({"number": number}, LARGE)
        (newest,) = [path for path in entries(tmp_path) if path.stat().st_mtime > 1e9]
        os.utime(newest, (number, number))
    (tmp_path / ".writing-abandoned").touch()
    os.utime(tmp_path / ".writing-abandoned", (0, 0))
    (tmp_path / ".writing-now").touch()
    assert cache.read({"number": 0}) == LARGE  # makes it the most recently used
    cache.write({"number": 32}, LARGE)
    left = [number for number in range(33) if cache.read({"number": number}) is not None]
    assert left == [0, *range(2, 33)]
    assert not (tmp_path / ".writing-abandoned").exists()
    assert (tmp_path / ".writing-now").exists()


def test_small_entries_are_never_deleted(tmp_path: Path) -> None:
    """Such as the gate's verdict on the user's own images, without which an engine that failed there would serve."""
    cache = EngineCache(tmp_path)
    cache.write({"kind": "gate"}, b"{}")
    (verdict,) = entries(tmp_path)
    os.utime(verdict, (0, 0))
    for number in range(70):
        cache.write({"number": number}, LARGE if number % 2 else b"{}")
    assert cache.read({"kind": "gate"}) == b"{}"


def _write_much(folder: Path, letter: bytes) -> None:
    for _ in range(40):
        EngineCache(folder).write(KEY, letter * 100_000)


def test_readers_never_get_a_mixture_of_two_writers(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_much, args=(tmp_path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(EngineCache(tmp_path).read(KEY))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    seen.add(EngineCache(tmp_path).read(KEY))
    assert seen - {None} <= {b"a" * 100_000, b"b" * 100_000}
    assert seen != {None}


def test_the_users_folder_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "vitscope/engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".cache/vitscope/engines"


@pytest.mark.parametrize("home", [None, "relative"])
def test_a_user_without_a_home_has_no_folder(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home is None:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)  # no entry in passwd
    else:
        monkeypatch.setenv("HOME", home)
    assert user_folder() is None


def test_a_pipe_in_the_place_of_an_entry_is_removed_and_not_waited_for(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    cache.write(KEY, b"content")
    (path,) = entries(tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert list(cache.known()) == []
    assert cache.read(KEY) is None
    assert not path.exists()


def test_a_full_disk_keeps_what_was_there_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    cache, limits = EngineCache(first, second), resource.getrlimit(resource.RLIMIT_FSIZE)
    cache.write(KEY, b"kept")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))  # writes beyond fail, in whichever folder
    try:
        cache.write(KEY, bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cache.read(KEY) == b"kept"
    assert len(entries(first)) == 1 and entries(second) == []
