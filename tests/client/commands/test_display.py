"""Tables and JSON lines of `vitscope classify`."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.client.servicer import COLS, ROWS, answer, map_of
from vitscope import Overloaded
from vitscope.client.commands.display import block, json_line, name_line, overlay_line, summary, timing_line
from vitscope.client.commands.inputs import Source
from vitscope.client.request import classify_request
from vitscope.client.result import Result, Timing

SOURCE = Source("holiday/photo [1].jpg", b"", Path("photo.jpg"))


def result(**options: Any) -> Result:
    return Result.of(answer(classify_request(np.zeros((480, 640, 3), np.uint8), **options)))


def printed(shown: Result, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(name_line(SOURCE), soft_wrap=True)
    console.print(block(shown))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_and_its_bars_are_as_long_as_the_probabilities(width: int) -> None:
    shown = result(top_k=10)
    lines = printed(shown, width)
    assert max(map(len, lines)) <= width
    assert lines[0].rstrip() == "holiday/photo [1].jpg"
    assert lines[12].strip() == "640 × 480 px · fashion v1 · openvino/bf16 · batch 4"
    rows = lines[1:11]
    starts = {row.index("%") for row in rows}
    assert len(starts) == 1
    room = len(rows[0]) - starts.pop() - 3
    for row, one in zip(rows, shown.classes, strict=True):
        assert row.split("  ")[1].strip() == one.label
        assert f"{one.probability:.1%}" in row
        assert row.count("█") == pytest.approx(one.probability * room, abs=1.5)


def test_without_a_terminal_there_is_no_colour() -> None:
    assert not any("\x1b" in line for line in printed(result()))


def test_a_long_label_is_cut_and_the_bar_stays() -> None:
    message = answer(classify_request(np.zeros((8, 8, 3), np.uint8), top_k=1))
    message.classes[0].label = "a very long label indeed, " * 8
    message.classes[0].probability = 1
    lines = printed(Result.of(message))
    assert "…" in lines[1]
    assert lines[1].count("█") > 20


def test_no_class_left() -> None:
    assert any("no class is as probable" in line for line in printed(result(min_probability=1.0)))


def test_overlays_are_named() -> None:
    assert overlay_line(Path("out/photo.png")).plain == "  attention out/photo.png"
    assert overlay_line(Path("out/\x1b.png")).plain == "  attention out/\\x1b.png"


def test_timing_line() -> None:
    stages = {"receive": 0.00001, "decode": 0.0012, "queue": 0.0001, "infer": 0.0098}
    assert timing_line(Timing(0.0123, stages, 4, "openvino/bf16")) == "12.3 ms: decode 1.2, queue 0.1, infer 9.8"
    assert timing_line(Timing(0.5, {}, 1, "onnxruntime/f32")) == "500.0 ms"


def test_json_has_the_fields_of_the_response() -> None:
    shown = result(top_k=2, attention="last")
    record = json.loads(json_line(SOURCE, shown, [Path("a.png")], with_maps=False))
    assert (record["image"], record["model"], record["version"]) == (SOURCE.name, "fashion", 1)
    assert [one["index"] for one in record["classes"]] == [one.index for one in shown.classes]
    assert [one["probability"] for one in record["classes"]] == pytest.approx(
        [one.probability for one in shown.classes]
    )
    assert record["timing"]["infer_seconds"] == 0.0098
    assert record["geometry"]["image_width"] == 640
    assert record["overlays"] == ["a.png"]
    assert "maps" not in record


def test_json_with_maps_has_nested_lists() -> None:
    (one,) = json.loads(json_line(SOURCE, result(attention="last"), [], with_maps=True))["maps"]
    assert np.shape(one["values"]) == (ROWS, COLS)
    np.testing.assert_allclose(one["values"], map_of(3, -1), rtol=1e-6)
    assert (one["layer"], one["head"]) == (3, None)
    assert one["prefix"]["cls"] == pytest.approx(0.2)


def test_json_of_an_error() -> None:
    record = json.loads(json_line(SOURCE, Overloaded("queue is full"), [], with_maps=True))
    assert record == {"image": SOURCE.name, "error": {"code": "RESOURCE_EXHAUSTED", "message": "queue is full"}}


def test_summary() -> None:
    assert summary(20, 0, 1.25) == "20 images in 1.2 s: 16.0 images/s"
    assert summary(5000, 3, 2.0) == "5,000 images in 2.0 s: 2,500.0 images/s, 3 failed"
