"""The dispatcher: `vitscope SUBCOMMAND`, mostly in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.client.servicer import Servicer, serving_in_thread
from vitscope.cli import SUBCOMMANDS, main

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "vitscope"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
HEAVY = {"torch", "transformers", "onnx", "onnxruntime", "openvino"}
STAGES = {"vitscope.server", "vitscope.export", "vitscope.finetune"}

Capture = pytest.CaptureFixture[str]


def run(*argv: str, python: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", python] if python else [*COMMAND, *argv]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


def imported_by(*argv: str) -> set[str]:
    """Return the packages loaded by a run of the command: libraries, and stages as `vitscope.client`."""
    program = (
        "import sys\nfrom vitscope.cli import main\n"
        f"try: main({list(argv)!r})\nexcept SystemExit: pass\n"
        "names = {name.split('.')[0] for name in sys.modules} | sys.modules.keys()\n"
        "print(*names, file=sys.stderr)"
    )
    return set(run(python=program).stderr.split())


def test_help_lists_every_subcommand(capsys: Capture) -> None:
    for argv in ([], ["--help"], ["-h"], ["help"]):
        assert main(argv) == 0
        out = capsys.readouterr().out
        assert all(name in out and subcommand.help in out for name, subcommand in SUBCOMMANDS.items())
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("name", [*SUBCOMMANDS, "admin load"])
def test_help_breaks_between_words(name: str, width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def words(columns: int) -> set[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit):
            main([*name.split(), "--help"])
        return set(capsys.readouterr().out.split())

    assert words(width) == words(1000)


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vitscope ")


def test_an_unknown_subcommand(capsys: Capture) -> None:
    assert main(["clasify", "photo.jpg"]) == 2
    assert "no subcommand 'clasify'; did you mean 'classify'?" in capsys.readouterr().err
    assert main(["xyzzy"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_a_subcommand_loads_its_stage_alone() -> None:
    assert not imported_by("--help") & (HEAVY | STAGES | {"grpc", "numpy", "PIL", "rich"})
    loaded = imported_by("classify", "--help")
    assert not loaded & (HEAVY | STAGES)
    assert {"grpc", "vitscope.client"} <= loaded


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_no_help_loads_a_heavy_library(name: str) -> None:
    assert not imported_by(name, "--help") & (HEAVY | {"scipy", "skimage", "pandas", "locust", "huggingface_hub"})


def test_classify_through_the_dispatcher(server: str, photos: Path, capsys: Capture) -> None:
    assert main(["classify", str(photos / "one.jpg"), "--json", "--server", server]) == 0
    assert '"model": "fashion"' in capsys.readouterr().out


@pytest.mark.parametrize(("name", "missing"), [("classify", "rich"), ("finetune", "torch")])
def test_a_stage_that_is_not_installed_says_what_to_install(name: str, missing: str) -> None:
    arguments = [name, "x", "--out=y"] if name == "finetune" else [name, "--help"]
    blocked = (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"from vitscope.cli import main\nsys.exit(main({arguments!r}))"
    )
    done = run(python=blocked)
    assert done.returncode == 2, done.stdout
    extra = SUBCOMMANDS[name].extra
    assert done.stderr == f"vitscope {name} needs {missing}, which is not installed: pip install 'vitscope[{extra}]'\n"


def test_an_interrupt_is_one_line(photos: Path) -> None:
    for count in (1, 3):
        servicer = Servicer(delay=30)
        with serving_in_thread(servicer) as [address]:
            process = subprocess.Popen(
                [*COMMAND, "classify", *[str(photos / "one.jpg")] * count, "--server", address, "--timeout", "30"],
                env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            deadline = time.monotonic() + 20
            while not (servicer.calls or servicer.arrivals):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
            said = f"interrupted, 0 of {count} done\n".encode()
            assert (process.returncode, out, err) == (130, b"", said)


@pytest.mark.parametrize("argv", [["--help"], ["classify", "--json"], ["classify"]])
def test_a_closed_pipe_is_quiet(server: str, photos: Path, argv: list[str]) -> None:
    if argv[0] == "classify":
        argv = [*argv, str(photos / "one.jpg"), "--server", server]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [*COMMAND, *argv],
            env=ENVIRONMENT,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


def shell(line: str, photos: Path, server: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run `vitscope LINE`; $PHOTO and $SERVER stand for a photo and the server's address."""
    return subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m vitscope {line}'],
        env={**ENVIRONMENT, "PHOTO": str(photos / "one.jpg"), "SERVER": server, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "line", ["--help", "classify --help", "classify $PHOTO --server $SERVER", "models --server $SERVER"]
)
def test_standard_output_that_is_full_or_closed(server: str, photos: Path, line: str) -> None:
    full = shell(f"{line} >/dev/full", photos, server)
    assert (full.returncode, full.stderr) == (
        2, b"vitscope: standard output could not be written: No space left on device\n",
    )  # fmt: skip
    closed = shell(f"{line} >&-", photos, server)
    assert (closed.returncode, b"Traceback" in closed.stderr) == (0, False)


def test_a_terminal_that_knows_ascii_only(server: str, photos: Path) -> None:
    done = shell("classify $PHOTO nön.jpg --server $SERVER", photos, server, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert b"64 x 48 px - fashion v1" in done.stdout and b"##" in done.stdout
    assert b"n?n.jpg: No such file" in done.stderr
    done = shell("classify nön.jpg --json --server $SERVER", photos, server, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["image"] == "nön.jpg"
