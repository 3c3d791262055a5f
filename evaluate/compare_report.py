"""The report of a comparison: comparison.json, README.md and the images on which the models differ."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from vitscope.evaluate.comparison import Comparison
from vitscope.evaluate.records import Record
from vitscope.evaluate.summary import Summary, summary_table
from vitscope.evaluate.tables import cell
from vitscope.tables import markdown_table

COMPARISON, DIFFERENCES = "comparison.json", "differences.png"
_LISTED = 50


def verdict(comparison: Comparison, first: str, second: str) -> str:
    """Return the outcome in a few sentences."""
    test, difference = comparison.test, comparison.difference
    assert difference.value is not None
    images = len(comparison.pairs)
    text = (
        f"{second} against {first}, {images:,} images that both answered: accuracy {_points(difference.value)} points "
        f"(95 % interval {_points(difference.low)} to {_points(difference.high)}). Right alone: {first} on "
        f"{test.only_first:,}, {second} on {test.only_second:,}; McNemar ({test.test}) p = {_p(test.p)}. They answer "
        f"differently on {len(comparison.differing):,} images."
    )
    if comparison.left_out:
        text += f" {comparison.left_out:,} images are left out, since only one of them answered."
    return text


def write_comparison(comparison: Comparison, summaries: Sequence[Summary], folder: Path, data: Path | None) -> None:
    """Write the report. data: the folder of the images; without it there is no contact sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (summaries[0].title, summaries[1].title)
    test = comparison.test
    found = {
        "first": names[0],
        "second": names[1],
        "images": len(comparison.pairs),
        "left_out": comparison.left_out,
        "both_right": comparison.both,
        "only_first_right": test.only_first,
        "only_second_right": test.only_second,
        "both_wrong": comparison.neither,
        "accuracy_difference": asdict(comparison.difference),
        "interval": "Newcombe's for pairs, method 10, 95 %",
        "mcnemar": {"test": test.test, "p": test.p},
        "differing": [_record(pair.first) | {"second": _answer(pair.second)} for pair in comparison.differing],
    }
    (folder / COMPARISON).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sheet = _sheet(comparison, names, folder, data)
    (folder / "README.md").write_text(_text(comparison, summaries, names, sheet), encoding="utf-8")


def _text(comparison: Comparison, summaries: Sequence[Summary], names: tuple[str, str], sheet: bool) -> str:
    head, rows = summary_table(summaries)
    parts = [f"# {cell(names[1])} against {cell(names[0])}", verdict(comparison, *names), markdown_table(head, rows)]
    test = comparison.test
    parts.append(
        markdown_table(
            ("images", f"{cell(names[1])} right", f"{cell(names[1])} wrong"),
            [
                (f"{cell(names[0])} right", f"{comparison.both:,}", f"{test.only_first:,}"),
                (f"{cell(names[0])} wrong", f"{test.only_second:,}", f"{comparison.neither:,}"),
            ],
        )
    )
    differing = comparison.differing
    if differing:
        parts.append("## Where they differ")
        parts += [f"![Images with different answers]({DIFFERENCES})"] if sheet else []
        rows = [
            (cell(p.first.image), cell(p.first.label), _said(p.first), _said(p.second)) for p in differing[:_LISTED]
        ]
        parts.append(markdown_table(("image", "true class", cell(names[0]), cell(names[1])), rows))
        if len(differing) > _LISTED:
            parts.append(f"{len(differing) - _LISTED:,} more are in `{COMPARISON}`.")
    return "\n\n".join(parts) + "\n"


def _sheet(comparison: Comparison, names: tuple[str, str], folder: Path, data: Path | None) -> bool:
    if data is None or not comparison.differing or find_spec("matplotlib") is None:
        return False
    # Not at the top: half a second, and serving does not have matplotlib.
    from vitscope.evaluate.pictures.differences import draw_differences

    draw_differences(comparison, names, data, folder / DIFFERENCES)
    return True


def _said(record: Record) -> str:
    mark = "**" if record.correct else ""
    return f"{mark}{cell(record.predicted)}{mark} {record.probability:.0%}"


def _record(record: Record) -> dict[str, object]:
    return {"image": record.image, "label": record.label, "first": _answer(record)}


def _answer(record: Record) -> Mapping[str, object]:
    return {"predicted": record.predicted, "probability": record.probability}


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
