"""The shape of the project: who may import whom, and generated files that are up to date."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROTOS = ROOT / "protos"

# What each package may import of the project; the layers of DESIGN, in one direction.
ALLOWED = {
    "bench": {"bundle", "export", "server", "vitscope"},
    "bundle": set(),
    "client": {"vitscope"},
    "deploy": set(),
    "finetune": set(),
    "loadtest": {"client", "vitscope"},
    "export": {"bundle"},
    "server": {"bundle", "vitscope"},
}
HEAVY = {"torch", "transformers", "timm", "onnx", "onnxscript"}
# What makes other graphs of the exported one. Loaded only where that is asked for: servers without a GPU have no onnx.
MAKES_GRAPHS = {
    "server/engines/onnxruntime_attention.py",
    "server/engines/onnxruntime_cuda.py",
    "server/engines/opset.py",
    "server/engines/tensorrt/build.py",
    "server/engines/tensorrt/precision.py",
    "server/tools/limit.py",
}


def imported(path: Path) -> set[str]:
    """Top-level names of every module that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        names = imported(path)
        assert names & (ALLOWED.keys() | {"vitscope"}) <= ALLOWED[package] | {package}, path
        if package in ("bundle", "client", "server"):
            allowed = {"onnx"} if str(path.relative_to(ROOT)) in MAKES_GRAPHS else set()
            assert not names & HEAVY - allowed, path


def test_a_server_loads_none_of_what_makes_graphs() -> None:
    loaded = f"import sys, server.app, server.tools.engines; sys.exit(bool({HEAVY} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{PROTOS}"}, check=True)


def test_in_the_server_only_the_api_knows_the_transports() -> None:
    for path in sorted((ROOT / "server").rglob("*.py")):
        knows = imported(path) & {"grpc", "grpc_health", "grpc_reflection", "vitscope", "aiohttp"}
        assert not knows or path.parent.name == "api" or path.name == "app.py", path


def test_the_stubs_are_those_of_the_protos(tmp_path: Path) -> None:
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "vitscope/v1").glob("*.proto"))
    flags = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    plugins = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}", *flags, *sources]
    subprocess.run(command, check=True, env=plugins, capture_output=True)
    kept = sorted((PROTOS / "vitscope/v1").glob("*_pb2*.py*"))
    assert len(kept) == 2 * len(sources) + 4  # two of them hold a service
    for path in kept:
        assert path.read_text() == (tmp_path / "vitscope/v1" / path.name).read_text(), f"{path.name}: run `make protos`"
