"""The shape of the project: who may import whom, and generated files that are up to date."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROTOS = ROOT / "protos"

# What each folder may import of the project, in one direction. `v1` is the stubs, `src/vitscope` the package itself and
# its command.
ALLOWED = {
    "bench": {"bundle", "client", "export", "loadtest", "server", "v1"},
    "bundle": set(),
    "client": {"drawing", "explorer", "v1"},
    "dataset": set(),
    "deploy": set(),
    "docs": set(),
    "drawing": set(),
    "explorer": set(),
    "evaluate": {"bundle", "client", "dataset", "drawing", "export"},
    "finetune": {"dataset", "evaluate"},
    "loadtest": {"client", "v1"},
    "export": {"bundle"},
    "server": {"bundle", "drawing", "explorer", "v1"},
    "src/vitscope": {"bundle", "client"},
}
STAGES = ALLOWED.keys() - {"bench", "deploy", "docs", "src/vitscope"}
# Modules beside the stages that every stage may import. They import nothing but the standard library.
SHARED = {
    "calibration",
    "cgroup",
    "cpus",
    "help",
    "image_files",
    "picture_options",
    "tables",
    "telemetry",
    "whole_files",
}
HEAVY = {"torch", "transformers", "timm", "onnx", "onnxscript"}
# What makes other graphs of the exported one. Loaded only where that is asked for: servers without a GPU have no onnx.
MAKES_GRAPHS = {
    "server/engines/onnx/attention.py",
    "server/engines/onnx/explained.py",
    "server/engines/onnx/opset.py",
    "server/engines/onnx/precision.py",
    "server/engines/onnxruntime_cuda.py",
    "server/engines/tensorrt/build.py",
    "server/tools/limit.py",
}


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def libraries(path: Path) -> set[str]:
    """Return the top-level names of the packages that a file imports."""
    return {name.partition(".")[0] for name in imported(path)}


def parts(path: Path) -> set[str]:
    """Return what a file imports of vitscope: `server` for `vitscope.server.app`; `v1` are the stubs."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("vitscope.")}


def test_what_is_installed_is_one_package_that_links_to_the_folders() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "src/vitscope").iterdir() if path.is_symlink()}
    assert links == {name: ROOT / name for name in STAGES} | {"v1": PROTOS / "vitscope/v1"}
    banned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
    assert banned["banned-api"].keys() == STAGES
    assert not sys.modules.keys() & STAGES, "imported from the root of the repository, as a second copy"


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_go_one_way(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    own = {path.stem for path in files} if folder == "src/vitscope" else {folder}
    for path in files:
        assert parts(path) <= ALLOWED[folder] | SHARED | own, path
        assert not libraries(path) & (STAGES | {"bench", "deploy", "docs", "tests"}) - {folder}, path
        if folder in ("bundle", "client", "dataset", "drawing", "server"):
            allowed = {"onnx"} if str(path.relative_to(ROOT)) in MAKES_GRAPHS else set()
            assert not libraries(path) & HEAVY - allowed, path


def test_shared_modules_load_nothing_but_the_standard_library() -> None:
    modules = ", ".join(f"vitscope.{name}" for name in sorted(SHARED))
    loaded = f"import sys; before = set(sys.modules); import {modules}; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {loaded}"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    others = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert others == {"vitscope"}
    assert {name for name in found if name.startswith("vitscope.")} == {f"vitscope.{name}" for name in SHARED}


def test_a_server_loads_none_of_what_makes_graphs() -> None:
    modules = "vitscope.server.app, vitscope.server.tools.engines"
    # The JSON API comes only where it is served.
    loaded = f"import sys, {modules}; sys.exit(bool({HEAVY | {'vitscope.server.api.rest'}} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}/src"}, check=True)


def test_in_the_server_only_the_api_knows_the_transports() -> None:
    for path in sorted((ROOT / "server").rglob("*.py")):
        knows = libraries(path) & {"grpc", "grpc_health", "grpc_reflection", "aiohttp"} or parts(path) & {"v1"}
        assert not knows or ROOT / "server/api" in path.parents or path.name == "app.py", path


def test_transports_know_the_answer_service_and_not_one_another() -> None:
    transports = {path.name for path in (ROOT / "server/api").iterdir() if (path / "__init__.py").exists()}
    assert transports == {"native", "admin", "http", "rest"}
    for name in transports:
        # `rest` has the messages of `native` in JSON, and goes the same way to the service.
        known = {name, "native"} if name == "rest" else {name}
        for path in (ROOT / "server/api" / name).rglob("*.py"):
            others = {f"vitscope.server.api.{other}" for other in transports - known}
            assert not {one for one in imported(path) if one.startswith(tuple(others))}, path


# The folders of the server, in the order of docs/architecture.md: each may import those before it.
LAYERS = (
    ("errors",), ("host",), ("images",), ("decoding", "maps"), ("engines",), ("scheduling", "sharing", "settings"),
    ("models",), ("metrics", "tools"), ("answer",), ("api",), ("app",), ("__main__", "__init__"),
)  # fmt: skip


def test_imports_in_the_server_point_downwards() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for path in sorted((ROOT / "server").rglob("*.py")):
        own = path.relative_to(ROOT / "server").parts[0].removesuffix(".py")
        for name in imported(path):
            if name.startswith("vitscope.server.") and (other := name.split(".")[2]) != own:
                assert level[other] < level[own], f"{path} imports {name}"


def test_only_metrics_touches_families() -> None:
    for path in sorted((ROOT / "server").rglob("*.py")):
        if ROOT / "server/metrics" not in path.parents:
            assert ".labels(" not in path.read_text(), path
            assert "prometheus_client" not in libraries(path) or path.name == "pages.py", path


def test_the_server_has_no_loose_modules() -> None:
    modules = {path.stem for path in (ROOT / "server").glob("*.py")}
    assert modules == {"__init__", "__main__", "app", "settings", "errors"}


def test_the_stubs_are_those_of_the_protos(tmp_path: Path) -> None:
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "vitscope/v1").glob("*.proto"))
    flags = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    plugins = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}", *flags, *sources]
    subprocess.run(command, check=True, env=plugins, capture_output=True)
    kept = sorted((PROTOS / "vitscope/v1").glob("*_pb2*.py*"))
    assert len(kept) == 2 * len(sources) + 6  # three of them hold a service
    for path in kept:
        assert path.read_text() == (tmp_path / "vitscope/v1" / path.name).read_text(), f"{path.name}: run `make protos`"


def test_the_client_library_knows_nothing_of_its_command_line() -> None:
    for path in sorted((ROOT / "client").glob("*.py")):
        assert not {name for name in imported(path) if name.startswith("vitscope.client.commands")}, path
        assert "rich" not in libraries(path), path


def test_who_installs_the_server_can_ask_it_what_it_serves() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras["client"]) <= set(extras["serve"])
