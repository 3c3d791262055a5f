"""Every name of TensorRT that the sources use exists, and every call has the right arguments. Needs no GPU."""

from pathlib import Path

import pytest

from tests.server.engines.tensorrt import rtx, stubs
from tests.server.engines.tensorrt.signatures import mismatch, result
from tests.server.engines.tensorrt.uses import uses
from vitscope.server.engines.tensorrt import builder

pytestmark = pytest.mark.rtx

SOURCES = {path.name: path.read_text() for path in sorted(Path(builder.__file__).parent.glob("*.py"))}
BUILDING = {name: SOURCES[name] for name in ("builder.py", "messages.py")}
# Only TensorRT-RTX can build without a GPU.
RTX_ALONE = {"ComputeCapability", "IBuilderConfig.num_compute_capabilities", "IBuilderConfig.set_compute_capability"}
# Where one of these is not found, its type could not be inferred, so its uses were not checked.
INFERRED = {
    "BuilderFlag.TF32",
    "IBuilderConfig.add_optimization_profile",
    "IBuilderConfig.builder_optimization_level",
    "ILogger.Severity.WARNING",
    "ILogger.log",
    "IOptimizationProfile.set_shape",
    "IProgressMonitor.step_complete",
    "ITensor.dtype",
    "OnnxParser.parse_from_file",
    "ParserError.desc",
}
RUNNING = {
    "ICudaEngine.create_execution_context",
    "IExecutionContext.execute_async_v3",
    "IExecutionContext.set_tensor_address",
    "Runtime.deserialize_cuda_engine",
}


@pytest.mark.parametrize("version", stubs.VERSIONS)
def test_tensorrt_has_every_name_and_takes_every_argument(version: str) -> None:
    found = uses(SOURCES, stubs.api(version))
    assert {fault for fault in found.faults if fault.name not in RTX_ALONE} == set()
    assert found.names >= INFERRED | RUNNING


def test_tensorrt_rtx_builds_with_the_same_code() -> None:
    found = uses(BUILDING, rtx.api())
    assert found.faults == set()
    assert found.names >= INFERRED | RTX_ALONE


@pytest.mark.parametrize("version", stubs.VERSIONS)
@pytest.mark.parametrize(
    ("file", "right", "wrong", "fault"),
    [
        ("builder.py", "STRONGLY_TYPED", "STRONG_TYPES", "NetworkDefinitionCreationFlag.STRONG_TYPES"),
        ("builder.py", "create_timing_cache(b", "make_timing_cache(b", "IBuilderConfig.make_timing_cache"),
        ("builder.py", "set_timing_cache(known, False)", "set_timing_cache(known)", "IBuilderConfig.set_timing_cache"),
        (
            "builder.py",
            "set_timing_cache(known, False)",
            "set_timing_cache(known, ignore=False)",
            "IBuilderConfig.set_timing_cache",
        ),
        ("builder.py", ".desc()", ".description()", "ParserError.description"),
        ("builder.py", ".desc()", ".desc(1)", "ParserError.desc"),
        ("builder.py", "images[0].dtype", "images[0].type", "ITensor.type"),
        ("builder.py", "network.num_inputs", "network.inputs", "INetworkDefinition.inputs"),
        ("builder.py", "config.progress_monitor =", "config.num_inputs =", "IBuilderConfig.num_inputs"),
        (
            "messages.py",
            "def step_complete(self, phase_name: str, step: int)",
            "def step_complete(self)",
            "IProgressMonitor.step_complete",
        ),
        ("messages.py", "def log(", "def report(", "ILogger.report"),
        ("messages.py", "severity.WARNING", "severity.WARN", "ILogger.Severity.WARN"),
        ("plan.py", ".deserialize_cuda_engine(plan)", ".deserialize_engine(plan)", "Runtime.deserialize_engine"),
        ("plan.py", "USER_MANAGED", "BY_USER", "ExecutionContextAllocationStrategy.BY_USER"),
        ("runtime.py", "execute_async_v3(", "execute_async_v2(", "IExecutionContext.execute_async_v2"),
    ],
)
def test_a_wrong_name_or_argument_is_noticed(version: str, file: str, right: str, wrong: str, fault: str) -> None:
    assert right in SOURCES[file]
    changed = {**SOURCES, file: SOURCES[file].replace(right, wrong)}
    assert fault in {fault.name for fault in uses(changed, stubs.api(version)).faults}


def test_a_name_that_11_lacks_is_noticed_there_alone() -> None:
    changed = {"builder.py": SOURCES["builder.py"].replace("BuilderFlag.TF32", "BuilderFlag.FP16")}
    found = {
        version: {fault.name for fault in uses(changed, stubs.api(version)).faults} - RTX_ALONE
        for version in stubs.VERSIONS
    }
    assert list(found.values()) == [set(), {"BuilderFlag.FP16"}]


def test_a_property_that_11_can_only_read_is_noticed_when_set() -> None:
    source = "def f(trt, log):\n    trt.Builder(log).create_network(0).get_input(0).dtype = trt.DataType.HALF\n"
    found = {
        version: {fault.why for fault in uses({"f.py": source}, stubs.api(version)).faults}
        for version in stubs.VERSIONS
    }
    assert list(found.values()) == [set(), {"it cannot be set"}]


@pytest.mark.parametrize(
    ("given", "spread", "keywords", "fits"),
    [
        (2, False, [], True),
        (3, False, [], True),
        (1, False, [], False),
        (1, False, ["a"], True),
        (2, False, ["a"], False),
        (2, False, ["b"], True),
        (2, False, ["c"], False),
        (4, False, [], False),
        (1, True, [], True),
    ],
)
def test_arguments_against_a_signature(given: int, spread: bool, keywords: list[str], fits: bool) -> None:
    doc = "f(self: m.T, a: collections.abc.Callable[[int, str], None], b: int = 0) -> m.sub.R\n\nWhat f(x) does."
    assert (mismatch(doc, given, spread, keywords) is None) == fits
    assert result(doc) == "R"
