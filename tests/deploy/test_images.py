"""The Dockerfile and the requirements of the images, as far as they can be checked without a container engine."""

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from tests.deploy.dockerfile import DOCKERFILE, environment, image, last, stages
from tests.e2e.harness import ROOT
from vitscope.server.api.http.pages import pages
from vitscope.server.settings import Settings

SERVERS = {"cpu": "serve.txt", "gpu": "gpu.txt"}
IMAGES = {**SERVERS, "load": "load.txt"}
DEFAULTS = Settings.model_construct()


def requirements(name: str) -> list[str]:
    """Return the lines of a requirements file and of those that it includes."""
    lines: list[str] = []
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if line.startswith("-r "):
            lines += requirements(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            lines.append(line)
    return lines


def included(name: str) -> set[str]:
    """Return a requirements file and those that it includes."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    others = [included(line.removeprefix("-r ")) for line in lines if line.startswith("-r ")]
    return {f"requirements/{name}"}.union(*others)


def distributions(name: str) -> set[str]:
    return {canonical(re.split(r"[=<>;\[ ]", line)[0]) for line in requirements(name)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# The Dockerfile


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    ignored, *kept = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert ignored == "*"
    allowed = [line.removeprefix("!") for line in kept if line.startswith("!")]
    copied = [
        source
        for stage in stages().values()
        for step in stage.steps
        if step.name == "COPY" and not step.flags
        for source in step.value.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in [*copied, *allowed])
    assert all(any(f"{source}/".startswith(f"{name}/") for name in allowed) for source in copied)
    # And nothing reaches the builder that no stage copies.
    assert all(any(f"{source}/".startswith(f"{name}/") for source in copied) for name in allowed)


@pytest.mark.parametrize(("target", "name"), [*IMAGES.items(), ("example", "export.txt")])
def test_each_image_installs_its_own_requirements_and_the_files_that_they_include(target: str, name: str) -> None:
    words = [(step.name, word) for step in image(target) for word in step.value.split()]
    assert [word for step, word in words if step == "RUN" and "requirements" in word] == [f"/requirements/{name}"]
    assert {word for step, word in words if step == "COPY" and word.endswith(".txt")} == included(name)


def test_both_servers_run_alike() -> None:
    for name in ("USER", "ENTRYPOINT", "CMD", "HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "VOLUME"):
        assert last("cpu", name) == last("gpu", name), name
    assert json.loads(last("cpu", "ENTRYPOINT").value) == ["vitscope"]
    assert json.loads(last("cpu", "CMD").value) == ["serve", "/models"]
    assert last("cpu", "EXPOSE").value == f"{DEFAULTS.grpc_port} {DEFAULTS.http_port}"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("cpu", "USER").value)


@pytest.mark.parametrize("target", IMAGES)
def test_the_last_step_sets_the_user(target: str) -> None:
    """Steps before USER run as root; steps after it could not install anything."""
    assert last(target, "USER") == last("cpu", "USER")
    assert [step.name for step in image(target)].index("USER") == len(image(target)) - 1


async def test_the_health_check_follows_readiness() -> None:
    command = json.loads(last("cpu", "HEALTHCHECK").value.removeprefix("CMD "))
    assert command[0] == "python"
    ready = False
    app = web.Application()
    app.add_routes(pages(CollectorRegistry(), alive=lambda: True, ready=lambda: ready))
    async with TestServer(app) as server:
        assert await _status([sys.executable, *command[1:]], str(server.port)) != 0
        ready = True
        assert await _status([sys.executable, *command[1:]], str(server.port)) == 0
        port = str(server.port)
    assert await _status([sys.executable, *command[1:]], port) != 0


async def _status(command: list[str], port: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "VITSCOPE_HTTP_PORT": port}, stderr=subprocess.DEVNULL
    )
    return await process.wait()


# The requirements of the images


@pytest.mark.parametrize("name", IMAGES.values())
def test_each_requirement_is_pinned_once(name: str) -> None:
    lines = requirements(name)
    assert [line for line in lines if not re.match(r"[\w.-]+==[\w.+]+($|;)", line)] == []
    assert len(distributions(name)) == len(lines)


def test_each_server_has_one_onnxruntime_and_no_image_has_torch() -> None:
    """The packages of ONNX Runtime overwrite each other's files."""
    assert {name for name in distributions("serve.txt") if name.startswith("onnxruntime")} == {"onnxruntime"}
    assert {name for name in distributions("gpu.txt") if name.startswith("onnxruntime")} == {"onnxruntime-gpu"}
    for name in IMAGES.values():
        assert not distributions(name) & {"torch", "transformers", "timm", "onnxscript"}


def test_the_tensorrt_of_the_image_is_one_that_the_tests_check() -> None:
    name = "tensorrt-cu13-bindings"
    (served,) = [line for line in requirements("gpu.txt") if line.startswith(f"{name}==")]
    assert served in requirements("rtx.txt")
    version = served.partition("==")[2]
    assert {f"tensorrt-cu13=={version}", f"tensorrt-cu13-libs=={version}"} <= set(requirements("gpu.txt"))


# Modules of extras that the images do not have; the server runs without them.
EXTRAS = {"matplotlib", "pillow_heif"}
# Modules of packages that are installed only with a GPU.
GPU_MODULES = {
    "cuda": "cuda-bindings",
    "pynvml": "nvidia-ml-py",
    "tensorrt": "tensorrt-cu13",
    "tensorrt_bindings": "tensorrt-cu13-bindings",
}


def imports(*packages: str) -> Iterator[str]:
    """Yield the top-level modules that these packages import, by statement or by import_module("…")."""
    for path in (path for package in packages for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name.partition(".")[0] for alias in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module.partition(".")[0]
                case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(module))]):
                    yield module.partition(".")[0]


@pytest.mark.parametrize(
    ("name", "packages", "some"),
    [
        ("gpu.txt", ("bundle", "client", "server"), {"cuda", "numpy", "onnx", "tensorrt"}),
        ("load.txt", ("client", "loadtest"), {"gevent", "locust", "rich", "yaml"}),
    ],
)
def test_an_image_has_every_module_that_its_packages_import(
    name: str, packages: tuple[str, ...], some: set[str]
) -> None:
    known = {**packages_distributions(), **{module: [name] for module, name in GPU_MODULES.items()}}
    own = {*packages, "vitscope", *EXTRAS}
    modules = {module for module in imports(*packages) if module not in sys.stdlib_module_names} - own
    assert modules >= some
    installed = distributions(name) | ({"onnxruntime"} if name in SERVERS.values() else set())
    assert {module for module in modules if not {canonical(found) for found in known[module]} & installed} == set()


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import vitscope.cli, vitscope.server.__main__
"""


def test_the_cpu_image_starts_without_the_modules_of_the_gpu_image() -> None:
    command = [sys.executable, "-c", WITHOUT, *GPU_MODULES, "onnx"]
    variables = {**os.environ, "PYTHONPATH": "src"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_base_is_pinned_and_the_loader_looks_where_its_python_installs() -> None:
    base = re.search(r"^ARG BASE=(.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert base is not None
    pinned = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base[1])
    assert pinned is not None
    for folder in environment("gpu")["LD_LIBRARY_PATH"].split(":"):
        assert folder.startswith(f"/usr/local/lib/python{pinned[1]}/site-packages/")
