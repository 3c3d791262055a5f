"""The documentation: its site builds without a broken link, its Python runs, its commands parse."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.e2e.harness import RunningServer
from vitscope.cli import SUBCOMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples/fashion/README.md"]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (language, code) of each block of a page, and ("inline", code) of each code span."""
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        if token.type in ("fence", "code_block"):
            yield token.info, token.content
        for child in token.children or ():
            if child.type == "code_inline":
                yield "inline", child.content


def python_blocks() -> list[object]:
    found = [(page, code) for page in PAGES for language, code in blocks(page) if language == "python"]
    return [pytest.param(code, id=f"{page.name}-{number}") for number, (page, code) in enumerate(found)]


@pytest.fixture(scope="module")
def example(
    tmp_path_factory: pytest.TempPathFactory, models: Path, photo: bytes
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A working directory with photo.jpg, photos/ and the bundled example in models/; addresses of a server of it."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(models / "fashion", folder / "models/fashion")
    (folder / "photos").mkdir()
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.jpg"):
        (folder / name).write_bytes(photo)
    with RunningServer(folder / "models", "--admin-address", "127.0.0.1:0") as server:
        (admin,) = (event["admin"] for event in server.events if event["event"] == "serving")
        http = server.http.removeprefix("http://")
        yield folder, {"localhost:8500": server.address, "localhost:8501": http, "localhost:8502": admin}


@pytest.mark.parametrize("code", python_blocks())
def test_python_runs(code: str, example: tuple[Path, dict[str, str]]) -> None:
    folder, addresses = example
    before = set(folder.iterdir())
    for written, real in addresses.items():
        code = code.replace(written, real)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or set(folder.iterdir()) > before, "it neither prints nor writes anything"


def commands() -> list[object]:
    """Return the words of each `vitscope SUBCOMMAND ...`, and whether arguments may be missing, as in a code span."""
    found = {}
    for page in PAGES:
        for language, code in blocks(page):
            for line in code.replace("\\\n", " ").splitlines() if language in ("", "bash", "sh", "inline") else ():
                for match in re.finditer(r"(?<![\w-])(?<!from )(?<!import )vitscope ([a-z].*)", line):
                    # What stands three spaces or more to the right of a command explains it.
                    words = shlex.split(re.split(r"\s{3,}|[|<>;&)]", match[1])[0].strip("[]"), comments=True)
                    loose = language == "inline" or "…" in words
                    found[page.name, match[1]] = ([word.strip("[]") for word in words if word != "…"], loose)
    return [pytest.param(*command, id=f"{page}: {' '.join(command[0])}") for (page, _), command in found.items()]


class ParsedError(Exception):
    """Raised where a command would begin to work."""


@pytest.mark.parametrize(("words", "loose"), commands())
def test_commands_parse(
    words: list[str], loose: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words[0] in SUBCOMMANDS
    main = import_module(SUBCOMMANDS[words[0]].module).main
    if words[0] == "serve":
        assert main([*words[1:], "--print-config"]) == 0
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser, *arguments: object) -> None:
        parse(parser, *arguments)  # type: ignore[call-overload]
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    try:
        with pytest.raises(ParsedError):
            main(words[1:])
    except SystemExit as ended:
        if ended.code == 0 and "--help" in words:
            return
        complaint = capsys.readouterr().err
        assert loose and "the following arguments are required" in complaint, complaint


def test_an_unknown_flag_does_not_parse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        test_commands_parse(["classify", "photo.jpg", "--unknown", "x.png"], True, monkeypatch, capsys)
    with pytest.raises((AssertionError, SystemExit)):
        test_commands_parse(["serve", "models/", "--max-queue", "1"], True, monkeypatch, capsys)


def build(root: Path, out: Path, builder: str) -> "subprocess.CompletedProcess[str]":
    """Build the site as `make docs` does."""
    strict = ["--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"]
    command = [sys.executable, "-m", "sphinx", "--conf-dir", str(root / "docs"), "--builder", builder, *strict]
    return subprocess.run([*command, str(root), str(out)], capture_output=True, text=True, check=False)


def test_the_site_builds(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path, "html")
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "docs/python.html").read_text()
    assert all(f'id="vitscope.{name}"' in api for name in import_module("vitscope").__all__)
    assert "url=README.html" in (tmp_path / "index.html").read_text()
    for page in tmp_path.rglob("*.html"):
        # Nothing is loaded from elsewhere.
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', page.read_text()), page


def test_broken_links_fail(tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("images"))
    for name in [page.relative_to(ROOT) for page in PAGES] + ["CONTRIBUTING.md", "CHANGELOG.md"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# Of no interest here\n")
    (root / "docs/stray.md").write_text("# Not in the navigation\n")
    (root / "docs/finetune.md").write_text(
        "# Links\n\n[page](lost.md), [file](../lost/server.py), [part](serve.md#lost)\n"
    )
    done = build(root, tmp_path / "site", "dummy")
    complaints = re.findall(r"finetune\.md:3: WARNING: .* not found.*'(.+)'", done.stderr)
    assert (done.returncode, complaints) == (1, ["lost.md", "../lost/server.py", "lost"]), done.stderr
    assert "NAVIGATION in docs/conf.py lacks docs/stray.md" in done.stderr
