"""The files of the page: nothing from elsewhere, nothing inline, all that is named is there and used."""

import re
from pathlib import Path, PurePosixPath

from vitscope.explorer import PAGE

FILES = {path.relative_to(PAGE).as_posix(): path.read_text() for path in PAGE.rglob("*") if path.is_file()}


def test_the_page_names_its_own_files_only() -> None:
    named = set(re.findall(r'"/explorer/([\w./-]+)"', FILES["index.html"])) | {"index.html"}
    for name, source in FILES.items():
        for imported in re.findall(r'(?:from|import\() ?"(\.[\w./-]+)"', source):
            named.add(_beside(name, imported))
        assert not re.findall(r"https?://(?!www\.w3\.org)", source), name
        assert len(source.splitlines()) < 250, name
        assert "innerHTML" not in source, f"{name}: names of classes are other people's text"
    assert named == FILES.keys()
    assert not re.findall(r"<style|<script>| style=| on\w+=", FILES["index.html"])


def _beside(name: str, imported: str) -> str:
    return Path(*_parts(PurePosixPath(name).parent / imported)).as_posix()


def _parts(path: PurePosixPath) -> list[str]:
    parts = list[str]()
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return parts


def test_scripts_use_ids_that_the_page_has() -> None:
    ids = set(re.findall(r'id="([\w-]+)"', FILES["index.html"]))
    for name, source in FILES.items():
        assert set(re.findall(r'byId\("([\w-]+)"\)', source)) <= ids, name


def test_types_in_comments_name_files_that_are_there() -> None:
    for name, source in FILES.items():
        for imported in re.findall(r'import\("(\.[\w./-]+)"\)\.', source):
            assert _beside(name, imported) in FILES, (name, imported)
