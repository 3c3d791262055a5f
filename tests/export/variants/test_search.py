"""The search, with forms and engines whose answers are known."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from vitscope.bundle import CLASSIFY, FP8, Certificate, Graph, GraphName, Output, Variant
from vitscope.export import variants
from vitscope.export.certificate.engines import Candidate, Run
from vitscope.export.certificate.reference import Reference
from vitscope.export.progress import Silent
from vitscope.export.variants.form import Source
from vitscope.export.variants.search import find_variant, rank

BLOCKS = tuple(f"block {number}" for number in range(8))
GRAPHS: dict[GraphName, Graph] = {
    CLASSIFY: Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", 2)),))
}
PIXELS = np.zeros((8, 2, 2, 3), np.uint8)
LOGITS = np.tile(np.array([[1.0, 0.0]], np.float32), (8, 1))


def engine(errors: Mapping[str, float], precision: str) -> Candidate:
    """Return an engine whose error in the logits is the sum over the quantized blocks of a graph.

    A graph's file holds the names of its quantized blocks, one per line.
    """

    def load(path: Path) -> Run:
        error = sum(errors[block] for block in path.read_text().splitlines())
        return lambda pixels: {"logits": LOGITS[: len(pixels)] - [[error, 0]]}

    return Candidate("onnxruntime", precision, load)


@dataclass
class Fake:
    """A form that writes the names of the blocks it quantizes."""

    errors: Mapping[str, float]
    why_not: str = ""
    written: list[tuple[str, ...]] = field(default_factory=list)
    variant: Variant = FP8
    unit: str = "blocks"
    blocks: Collection[str] = BLOCKS

    @property
    def candidate(self) -> Candidate:
        return engine(self.errors, FP8)

    @property
    def exact(self) -> Candidate:
        return engine(self.errors, "f32")

    def write(self, paths: Mapping[GraphName, Path], floats: Collection[str]) -> None:
        self.written.append(tuple(floats))
        for path in paths.values():
            path.write_text("\n".join(block for block in BLOCKS if block not in floats))
            (path.parent / "weights.fp8.bin").touch()

    def write_without(self, name: GraphName, path: Path, block: str) -> None:
        path.write_text("\n".join(other for other in BLOCKS if other != block))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "graphs").mkdir()
    (tmp_path / GRAPHS[CLASSIFY].file).touch()
    return Source(None, GRAPHS, tmp_path, PIXELS)  # type: ignore[arg-type]


REFERENCE = Reference(PIXELS, LOGITS, {})


def files(source: Source) -> set[str]:
    return {path.name for path in (source.folder / "graphs").iterdir()}


def test_all_blocks_if_they_pass(source: Source) -> None:
    form = Fake(dict.fromkeys(BLOCKS, 0.1))
    entry = find_variant(form, source, REFERENCE, Silent())
    assert entry.passed and entry.float_layers == () and form.written == [()]
    assert files(source) == {"classify.onnx", "classify.fp8.onnx", "weights.fp8.bin"}


def test_the_worst_blocks_go_back_to_floating_point_in_powers_of_two(source: Source) -> None:
    """The logits differ by 1, and three blocks have an error of 0.5: without two of them, the top class agrees."""
    form = Fake({block: 0.5 if block in ("block 1", "block 4", "block 6") else 0.001 for block in BLOCKS})
    entry = find_variant(form, source, REFERENCE, Silent())
    assert entry.passed and entry.float_layers == ("block 1", "block 4")
    assert form.written == [(), ("block 1",), ("block 1", "block 4")]


def test_no_more_than_half_of_them(source: Source) -> None:
    form = Fake(dict.fromkeys(BLOCKS, 0.5))
    entry = find_variant(form, source, REFERENCE, Silent())
    assert not entry.passed and len(entry.float_layers) == 4
    assert [len(floats) for floats in form.written] == [0, 1, 2, 4]
    assert files(source) == {"classify.onnx"}, "files of a variant that failed are left"


def test_blocks_are_ranked_by_their_part_of_the_error(source: Source) -> None:
    errors = {block: (number * 5 % 8) / 100 for number, block in enumerate(BLOCKS)}
    order = rank(Fake(errors), source, Silent())
    assert order == sorted(BLOCKS, key=errors.__getitem__, reverse=True)


def test_what_cannot_be_made_is_recorded_and_not_searched(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    form = Fake({}, why_not="no such arithmetic")
    monkeypatch.setitem(variants.FORMS, FP8, lambda *_: form)
    certificate, objection = variants.add_variant(FP8, Certificate(), source, REFERENCE, Silent())
    assert objection == "no such arithmetic" and form.written == []
    assert certificate == Certificate(not_measured={"onnxruntime/fp8": "no such arithmetic"})
