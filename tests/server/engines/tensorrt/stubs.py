"""The real Python bindings of TensorRT without TensorRT, on libraries whose entry points do nothing."""

import importlib
import inspect
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from tests.server.engines.tensorrt import wheels

PACKAGE = "tensorrt-cu13-bindings"
VERSIONS = wheels.versions(PACKAGE)

# All that the bindings import from TensorRT's libraries: functions that return a pointer or a number.
_SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
_LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")

Api = dict[str, Any]
"""Description of a module or class: its "members" by name. They are classes (with a "class" name and members of their
own), functions (with a "doc"), properties ("doc", "settable") or values (with a "value", the name of their class)."""


@cache
def process(version: str) -> ProcessPoolExecutor:
    """Return a process in which `tensorrt_bindings` of this version can be imported."""
    return wheels.process(wheels.installed(PACKAGE, version), Path(_libraries(version.partition(".")[0]).name))


@cache
def api(version: str) -> Api:
    """Return all public members of TensorRT's Python module."""
    result: Api = process(version).submit(describe, "tensorrt_bindings").result(timeout=60)
    return result


def describe(module: str) -> Api:
    """Describe a module, in the process that has it."""
    return _described(importlib.import_module(module))


def _described(owner: Any) -> Api:
    members: dict[str, Any] = {}
    for name in dir(owner):
        value = inspect.getattr_static(owner, name)
        if isinstance(value, property):
            members[name] = {"doc": inspect.getdoc(value.fget) or "", "settable": value.fset is not None}
        elif inspect.isclass(value):
            if not name.startswith("_"):
                members[name] = {"class": value.__name__, **_described(value)}
        elif callable(getattr(owner, name)):
            members[name] = {"doc": getattr(owner, name).__doc__ or ""}
        else:
            members[name] = {"value": type(value).__name__}
    return {"members": members}


@cache
def _libraries(major: str) -> tempfile.TemporaryDirectory[str]:
    compiler = (
        shutil.which("cc") or shutil.which("gcc") or wheels.unavailable("there is no C compiler; Debian's gcc is one")
    )
    kept = tempfile.TemporaryDirectory(prefix="vitscope-stubs-")
    folder = Path(kept.name)
    source = folder / "stub.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in _SYMBOLS))
    for library in _LIBRARIES:
        name = f"{library}.so.{major}"
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
        subprocess.run(command, check=True)
    return kept
