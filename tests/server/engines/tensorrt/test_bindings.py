"""Whether TensorRT can run on a machine, and why not."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from tests.server.engines.tensorrt import stubs
from vitscope.server.engines import cuda
from vitscope.server.engines.contract import Precision
from vitscope.server.engines.tensorrt import bindings


def present(monkeypatch: pytest.MonkeyPatch, version: str, *capabilities: tuple[int, int]) -> None:
    """Install this TensorRT and GPUs of these compute capabilities."""
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__=version))
    gpus = [cuda.Device(index, f"GPU {index}", cc, 2**34, 80) for index, cc in enumerate(capabilities)]
    monkeypatch.setattr(cuda, "devices", lambda: gpus)


def test_without_tensorrt_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_bindings", None)
    assert (why := bindings.why_not("f16"))
    assert why.startswith("TensorRT cannot be imported (")
    assert why.endswith("requirements/gpu.txt lists what a GPU needs")
    with pytest.raises(ImportError):
        bindings.version()


@pytest.mark.parametrize("version", ["9.3.0", "12.0.0.1"])
def test_another_major_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    present(monkeypatch, version, (9, 0))
    assert bindings.why_not("f16") == f"TensorRT {version} is installed; accepted: 10 and 11"


@pytest.mark.parametrize("version", ["10.16.1.11", "11.4.0.106"])
@pytest.mark.parametrize(
    ("capability", "able"),
    [
        ((7, 0), set()),
        ((7, 5), {"f32", "f16"}),
        ((8, 0), {"f32", "f16", "bf16"}),
        ((8, 6), {"f32", "f16", "bf16"}),
        ((8, 9), {"f32", "f16", "bf16", "fp8"}),
        ((10, 0), {"f32", "f16", "bf16", "fp8"}),
    ],
)
@pytest.mark.parametrize("precision", ["f32", "f16", "bf16", "fp8"])
def test_precisions_need_a_compute_capability(
    monkeypatch: pytest.MonkeyPatch, version: str, capability: tuple[int, int], able: set[str], precision: Precision
) -> None:
    present(monkeypatch, version, capability)
    why = bindings.why_not(precision)
    assert (why is None) == (precision in able)
    assert why is None or f"GPU 0 has compute capability {capability[0]}.{capability[1]}; {precision} needs" in why


def test_the_newest_of_several_gpus_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    present(monkeypatch, "11.4.0.106", (7, 5), (9, 0), (8, 0))
    assert bindings.why_not("fp8") is None


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    present(monkeypatch, "11.4.0.106")
    assert bindings.why_not("f16") == "the NVIDIA driver has no GPU for this process"


def test_what_cuda_says_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[cuda.Device]:
        raise cuda.CudaError("no NVIDIA driver", "cudaErrorInsufficientDriver")

    present(monkeypatch, "11.4.0.106")
    monkeypatch.setattr(cuda, "devices", fail)
    assert bindings.why_not("f16") == "no NVIDIA driver"


def test_without_the_cuda_bindings_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[cuda.Device]:
        raise ImportError("No module named 'cuda'")

    present(monkeypatch, "11.4.0.106")
    monkeypatch.setattr(cuda, "devices", fail)
    assert (why := bindings.why_not("f16"))
    assert why.startswith("the CUDA bindings cannot be imported (No module named 'cuda')")


def test_int8_is_for_processors() -> None:
    assert bindings.why_not("int8") == "TensorRT is not used in int8; accepted: f16, bf16, f32, fp8"


@pytest.mark.rtx
@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT itself is installed and is found first")
@pytest.mark.parametrize("version", stubs.VERSIONS)
def test_the_real_module_is_found_under_the_name_that_its_wheel_has(version: str) -> None:
    process = stubs.process(version)
    assert process.submit(bindings.version).result(timeout=60) == version
    assert process.submit(_module).result(timeout=60) == "tensorrt_bindings"


def _module() -> str:
    return str(bindings.load().__name__)
