"""The wheel, installed away from this repository: its contents, and that a user's own packages do not clash with it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import FASHION
from tests.e2e.harness import ROOT, RunningServer

# Names that half of all projects have themselves, in the folder where the commands are run.
OWN = {"server.py": "", "client/__init__.py": "", "export/__init__.py": "", "bundle.py": "", "loadtest/__init__.py": ""}
SAMPLE = next((FASHION / "samples").glob("trouser-*.png"))


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and a folder to run its commands in. wheel: the file that is installed."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> str:
        return str(self.folder / "venv/bin/python")

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def install(self, extra: str, *requirements: str) -> None:
        pins = [f"--constraint={ROOT / 'requirements/common.txt'}"]
        pins += [f"--requirement={ROOT / 'requirements' / name}" for name in requirements]
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check"]
        # Most of what is installed is never imported here, and what is gets compiled then.
        command = [*pip, "install", "--quiet", "--no-compile", *pins]
        subprocess.run([*command, f"{self.wheel}[{extra}]"], check=True)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `python ...` in the project's folder."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        return subprocess.run(
            [self.python, *command], cwd=self.project, env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """`pip install <wheel>[client]` in a new environment."""
    folder = tmp_path_factory.mktemp("installed")
    # A copy, as building leaves files in the folder that it builds from.
    unrelated = {".git", ".venv", "build", "demo", "examples", "models", "tests"}
    shutil.copytree(
        ROOT, folder / "source", symlinks=True, ignore=lambda at, names: unrelated if Path(at) == ROOT else ()
    )
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", folder / "wheel", folder / "source"], check=True)
    (wheel,) = (folder / "wheel").iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    for name, content in OWN.items():
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / name).write_text(content or 'raise ImportError("the module of the project")\n')
    installation = Installation(folder, wheel)
    installation.install("client")
    return installation


def test_site_packages_gain_exactly_one_package(installed: Installation) -> None:
    script = "import importlib.metadata as m; print(*m.files('vitscope'), sep='\\n')"
    files = [Path(name) for name in installed.run("-I", "-c", script).stdout.split()]
    tops = {file.parts[0] for file in files if file.parts[0] != ".."}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vitscope"}
    assert {file.parts[1] for file in files if file.parts[0] == "vitscope"} >= {"server", "v1", "py.typed", "cli.py"}
    assert [file.name for file in files if file.parts[0] == ".."] == ["vitscope"], "the command"


def test_the_client_is_imported_beside_packages_of_the_same_names(installed: Installation) -> None:
    done = installed.run(
        "-c", "import sys, vitscope; print('grpc' in sys.modules); from vitscope import Client, Result"
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
    assert installed.run("-c", "import server").returncode, "this is what the project's own package would answer"


def test_the_command_serves_and_classifies_beside_packages_of_the_same_names(
    installed: Installation, models: Path
) -> None:
    without = installed.run("-m", "vitscope", "serve", "--help")
    assert without.returncode == 2 and "pip install 'vitscope[serve]'" in without.stderr
    installed.install("client,serve", "serve.txt")
    names = (
        "import importlib.util as u; print([n for n in ('torch', 'transformers', 'timm', 'onnx') if u.find_spec(n)])"
    )
    assert installed.run("-c", names).stdout == "[]\n"
    with RunningServer(models, python=installed.python, folder=installed.project) as server:
        asked = [
            "classify",
            str(SAMPLE),
            "--model",
            "fashion",
            "--attention",
            "overlay.png",
            "--server",
            server.address,
        ]
        command = str(Path(installed.python).with_name("vitscope"))
        for begin in (["-m", "vitscope"], [command]):
            done = installed.run(*begin, *asked)
            assert done.returncode == 0 and "trouser" in done.stdout, done.stderr
        assert (installed.project / "overlay.png").stat().st_size > 1000
