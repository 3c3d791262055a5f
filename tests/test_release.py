"""The release script, in a repository made of this one's files, and the API's compatibility with the last release."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUF = Path(sys.executable).with_name("buf")
Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, of the files as they are here, committed or not."""
    folder = tmp_path_factory.mktemp("repository")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    return tmp_path / "clone"


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "core.hooksPath=/dev/null"]
    return subprocess.run(
        ["git", *settings, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def status(folder: Path) -> list[str]:
    return git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()


def release(folder: Path, *arguments: str) -> Run:
    command = [sys.executable, str(folder / "scripts/release"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_release_sets_one_version_everywhere(clone: Path) -> None:
    (old,) = (clone / "protos/released").iterdir()
    tried = release(clone, "7.8.9", "--dry-run")
    assert tried.returncode == 0 and '+version = "7.8.9"' in tried.stdout and status(clone) == [], tried.stderr

    done = release(clone, "7.8.9")
    assert done.returncode == 0 and "git tag v7.8.9" in done.stdout, done.stderr
    assert status(clone) == [
        " M CHANGELOG.md",
        " M docker-compose.yml",
        f" D protos/released/{old.name}",
        " M pyproject.toml",
        "?? protos/released/v7.8.9.binpb",
    ]
    wheel, sdist = sorted((clone / "dist").iterdir(), key=lambda path: path.suffix != ".whl")
    assert wheel.name.startswith("vitscope-7.8.9-") and sdist.name == "vitscope-7.8.9.tar.gz"
    assert "vitscope/client/sync.py" in zipfile.ZipFile(wheel).namelist()
    assert "vitscope-example-7.8.9" in (clone / "docker-compose.yml").read_text()
    assert "## Unreleased\n\n## 7.8.9 (" in (clone / "CHANGELOG.md").read_text()


def _dirty(folder: Path) -> None:
    (folder / "LICENSE").write_text("mine")


def _tagged(folder: Path) -> None:
    git(folder, "tag", "v7.8.9")


def _unnoted(folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text("## Unreleased\n\n## 0.1.0\n\n- a note of the last release\n")
    git(folder, "commit", "--quiet", "--all", "--message", "nothing noted")


@pytest.mark.parametrize(
    ("version", "spoil", "complaint"),
    [
        ("7.8", lambda folder: None, "accepted: three numbers"),
        ("7.8.9", _dirty, "LICENSE"),
        ("7.8.9", _tagged, "tag v7.8.9"),
        ("7.8.9", _unnoted, "CHANGELOG.md: expected"),
    ],
)
def test_a_release_is_refused(clone: Path, version: str, spoil: Callable[[Path], None], complaint: str) -> None:
    spoil(clone)
    before = status(clone)
    refused = release(clone, version)
    assert refused.returncode == 1 and complaint in refused.stderr
    assert status(clone) == before


def breaking(protos: Path) -> Run:
    """Compare protos with those of the last release, as `make lint` does."""
    (image,) = (ROOT / "protos/released").iterdir()
    return subprocess.run([BUF, "breaking", protos, "--against", image], capture_output=True, text=True, check=False)


def test_a_removed_field_is_refused(tmp_path: Path) -> None:
    assert breaking(ROOT / "protos").returncode == 0
    protos = shutil.copytree(ROOT / "protos", tmp_path / "protos")
    proto = protos / "vitscope/v1/classifier.proto"
    with_field = proto.read_text()
    proto.write_text(with_field.replace("  uint32 top_k = 4;\n", ""))
    assert proto.read_text() != with_field
    refused = breaking(protos)
    assert refused.returncode != 0 and 'field "4" with name "top_k"' in refused.stdout
