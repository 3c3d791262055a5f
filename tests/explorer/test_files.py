"""The files of the page: nothing from elsewhere, nothing inline, all that is named is there."""

import re

from vitscope.explorer import PAGE


def test_the_page_names_its_own_files_only() -> None:
    text = {path.name: path.read_text() for path in PAGE.iterdir()}
    named = set(re.findall(r'"/explorer/([\w.-]+)"', text["index.html"])) | {"index.html"}
    for name, source in text.items():
        named |= set(re.findall(r'from "\./([\w.-]+)"', source))
        assert not re.findall(r"https?://", source), name
        assert len(source.splitlines()) < 200, name
    assert named == text.keys()
    assert not re.findall(r"<style|<script>| style=| on\w+=", text["index.html"])


def test_scripts_use_ids_that_the_page_has() -> None:
    ids = set(re.findall(r'id="([\w-]+)"', (PAGE / "index.html").read_text()))
    for path in PAGE.glob("*.js"):
        assert set(re.findall(r'element\("([\w-]+)"\)', path.read_text())) <= ids, path.name
