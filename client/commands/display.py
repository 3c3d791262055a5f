"""The output of `vitscope classify`: a table for people, JSON for programs."""

from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitscope.client.commands.explained import decision_line, ledger_block
from vitscope.client.commands.inputs import Source
from vitscope.client.commands.streams import json_text, printable
from vitscope.client.errors import ClientError
from vitscope.client.result import Result, Timing
from vitscope.v1 import maps_pb2

# Shorter stages are not shown: they would round to 0.0 ms.
_SHOWN_SECONDS = 0.00005
_APPLIES = 0.5  # an independent label that is as probable as this


def block(result: Result) -> RenderableType:
    """Lay out one answer: classes with bars or values, timing, model and engine. Fits the width of the terminal."""
    width, height = result.geometry.image_size
    answered = f"{result.model} v{result.version} · {result.timing.engine} · batch {result.timing.batch_size}"
    why = [ledger_block(one.evidence) for one in result.maps if one.evidence]
    decision = [Text(decision_line(result.maps_decision))] if result.maps_decision else []
    lines: list[RenderableType] = [
        _bars(result),
        *why,
        *decision,
        Text(timing_line(result.timing), style="dim"),
        Text(f"{width} × {height} px · {answered}", style="dim"),
    ]
    return Group(*(Padding(line, (0, 0, 0, 2)) for line in lines))


def name_line(source: Source) -> Text:
    """Return the heading of a block: the image. To be printed unbroken, as a path is copied from a terminal."""
    return Text(printable(source.name), style="bold")


def overlay_line(path: Path, method: str = "attention") -> Text:
    """Return the line of a file that was written, a map of this method; to be printed unbroken."""
    return Text.assemble("  ", (f"{method} ", "dim"), printable(str(path)))


def _bars(result: Result) -> RenderableType:
    if not result.classes:
        return Text("no class is as probable as --min-probability asks", style="italic")
    if result.activation == "none":
        return _values(result)
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(min_width=16, max_width=34, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, min_width=10)
    for rank, one in enumerate(result.classes):
        # Of independent labels any number applies, and maybe none.
        applies = one.probability >= _APPLIES if result.activation == "sigmoid" else rank == 0
        table.add_row(
            Text(printable(one.label), style="bold" if applies else ""),
            Text(f"{one.probability:.1%}", style="bold" if applies else ""),
            Bar(1.0, 0.0, one.probability, color="green" if applies else "cyan"),
        )
    return table


def _values(result: Result) -> RenderableType:
    """Lay out the values of a model whose answers are no probabilities."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=16, max_width=34, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    for one in result.classes:
        table.add_row(Text(printable(one.label)), Text(f"{one.logit:.6g}", style="bold"))
    return table


def timing_line(timing: Timing) -> str:
    """Format the timing, for example "12.3 ms: decode 1.2, queue 0.1, infer 9.8"."""
    stages = [f"{name} {seconds * 1000:.1f}" for name, seconds in timing.stages.items() if seconds >= _SHOWN_SECONDS]
    return f"{timing.total * 1000:.1f} ms" + (f": {', '.join(stages)}" if stages else "")


def json_line(source: Source, outcome: Result | ClientError, overlays: list[Path], with_maps: bool) -> str:
    """Return one line of JSON: the fields of ClassifyResponse under their proto names, or an error.

    Maps are included only `with_maps`; their values are nested lists [rows][cols].
    """
    record: dict[str, Any] = {"image": source.name}
    if isinstance(outcome, ClientError):
        record["error"] = {"code": outcome.code.name, "message": outcome.message}
        return json_text(record)
    message = type(outcome.raw)()
    message.CopyFrom(outcome.raw)
    message.ClearField("maps")
    record |= MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    del record["maps"]
    if with_maps:
        record["maps"] = [
            {
                "layer": one.layer,
                "head": one.head,
                "values": one.values.tolist(),
                "prefix": {"cls": one.cls, "distillation": one.distillation, "registers": one.registers},
                "method": one.method,
            }
            | ({} if one.rest is None else {"about": {"index": one.class_index, "rest": one.rest}})
            | _evidence(message)
            for one, message in zip(outcome.maps, outcome.raw.maps, strict=True)
        ]
    if overlays:
        record["overlays"] = list(map(str, overlays))
    return json_text(record)


def _evidence(message: maps_pb2.Map) -> dict[str, Any]:
    if not message.HasField("evidence"):
        return {}
    evidence = MessageToDict(
        message.evidence, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {"evidence": evidence}


def error_line(source: Source, error: ClientError) -> str:
    """Describe the failure of one image in one line, which names the image once."""
    message = error.message
    if isinstance(source.image, Path):
        message = message.removeprefix(f"image: {source.image}: ")
    return printable(f"{source.name}: {message}")


def summary(images: int, failed: int, seconds: float) -> str:
    """Format the summary, for example "20 images in 1.2 s: 16.7 images/s, 1 failed"."""
    text = f"{images:,} images in {seconds:.1f} s: {images / seconds:,.1f} images/s"
    return f"{text}, {failed:,} failed" if failed else text
