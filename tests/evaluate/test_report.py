"""The report: a model card that the hub reads, pictures of any labels, and predictions that can be read again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from tests.evaluate.samples import predictions
from vitscope.evaluate import Card, Epoch, EvaluateError, Predictions, Unreadable, write_report
from vitscope.evaluate.comparison import compare
from vitscope.evaluate.pictures.canvas import middle_cut, shortened
from vitscope.evaluate.pictures.confusion import shown
from vitscope.evaluate.pictures.sheet import thumbnail
from vitscope.evaluate.records import read_records, records_of

ODD = (
    "$x_1$ | *bold*",
    'quote " and `tick`',
    "中文 标签",
    "a very long label " * 8,
    "line\nbreak",
    "<b>&amp;",
    "ü",
    "",
)


def with_images(sample: Predictions, folder: Path) -> Predictions:
    """Give the first images files of several kinds; the others have none."""
    folder.mkdir()
    paths = list(sample.paths)
    for at, mode in enumerate(("L", "RGB", "RGBA", "P", "I;16", "CMYK", "1", "LA")):
        paths[at] = folder / f"{at}.{'tiff' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (40 + at, 30)).save(paths[at])
    return Predictions(sample.labels, tuple(paths), sample.truth, sample.logits)


def test_a_report_of_odd_labels(tmp_path: Path) -> None:
    sample = with_images(predictions(8, 60, 2.0, labels=ODD), tmp_path / "images")
    card = Card(
        name='pets: "v1" | 2', data="my pets", counts={"train": 100, "test": 60}, base="google/vit-base-patch16-224",
        licence="apache-2.0", settings={"epochs": 3, "mix|up": 0.2}, command="vitscope finetune pets/ --out out",
        limits=("Not for wild animals.",), unreadable=(Unreadable(Path("a/b.png"), "empty file"),), notes=("a note",),
    )  # fmt: skip
    history = [Epoch(1, 2.0), Epoch(2, 1.5, 1.7, 0.5, 1e-3, "probe"), Epoch(3, 1.0, 1.6, 0.6, 1e-4, "full")]
    found = write_report(sample, tmp_path / "out", 2.0, card=card, history=history, root=tmp_path)
    read = ModelCard.load(tmp_path / "out/README.md")
    assert read.data.model_name == card.name and read.data.base_model == card.base and read.data.license == card.licence
    assert read.data.library_name == "transformers" and read.data.pipeline_tag == "image-classification"
    results = {one.metric_type: one.metric_value for one in read.data.eval_results or ()}
    assert results["accuracy"] == found.accuracy.value and results["f1"] == pytest.approx(found.macro_f1)
    for part in ("100 train", "Not for wild animals.", "`a/b.png`: empty file", "a note", "vitscope finetune pets/"):
        assert part in read.text
    pictures = {path.name for path in (tmp_path / "out/pictures").iterdir()}
    assert pictures == {"confusion.png", "reliability.png", "learning.png", "mistakes.png"}
    assert all(f"](pictures/{name})" in read.text for name in pictures)
    rows = [line for line in read.text.splitlines() if line.startswith("|")]
    assert all(len(row.replace("\\|", "").split("|")) in (4, 5, 7) for row in rows)
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    assert [one["label"] for one in figures["classes"]] == list(ODD)
    assert figures["unreadable"] == [{"path": "a/b.png", "reason": "empty file"}]
    records = read_records(tmp_path / "out")
    assert len(records) == 60 and {record.label for record in records} <= set(ODD)
    same = compare(records, records)
    assert (same.difference.value, same.test.p, same.differing) == (0, 1, ())


def test_a_perfect_model_has_no_sheet_of_mistakes(tmp_path: Path) -> None:
    wrong = predictions(2, 10, seed=1)
    write_report(wrong, tmp_path)
    assert (tmp_path / "pictures/mistakes.png").exists()
    right = Predictions(wrong.labels, wrong.paths, wrong.predicted, wrong.logits)
    write_report(right, tmp_path)
    assert not (tmp_path / "pictures/mistakes.png").exists()
    text = (tmp_path / "README.md").read_text()
    assert "Confused most often" not in text and "mistakes.png" not in text and "**100.0%**" in text


def test_many_classes_some_without_images(tmp_path: Path) -> None:
    sample = predictions(120, 90)
    wrong = int((~sample.correct).sum())
    found = write_report(sample, tmp_path)
    assert found.top5 is not None and sum(not one.images for one in found.classes) > 10
    with Image.open(tmp_path / "pictures/confusion.png") as picture:
        assert max(picture.size) < 2200
    text = (tmp_path / "README.md").read_text()
    assert "but for those without images here: " in text and "## The classes with the lowest F1" in text
    assert text.count("| class ") < 100
    labels, matrix = shown(found)
    assert (len(labels), labels[-1], matrix.sum()) == (31, "all others", 90)
    assert matrix.sum() - matrix.trace() <= wrong


def test_reports_of_other_data_are_not_compared(tmp_path: Path) -> None:
    sample = predictions(3, 20)
    first = records_of(sample, 1.0, None)
    second = tuple(replace(record, image=f"x/{record.image}") for record in first)
    third = tuple(replace(record, label="another") for record in first)
    with pytest.raises(EvaluateError, match=r"no image in common: 'data/0000.png' is in the first, 'x/data/0000.png'"):
        compare(first, second)
    with pytest.raises(EvaluateError, match=r"data/0000.png: is 'class .' in the first report and 'another' in the"):
        compare(first, third)
    (tmp_path / "predictions.csv").write_text("image,label\n")
    with pytest.raises(EvaluateError, match=r"predictions\.csv: no image"):
        read_records(tmp_path)
    (tmp_path / "predictions.csv").write_text("image,label\na,b\n")
    with pytest.raises(EvaluateError, match=r"predictions\.csv: not as `vitscope evaluate` writes it"):
        read_records(tmp_path)


def test_labels_are_cut_where_they_tell_least() -> None:
    assert middle_cut("boot", 24) == "boot"
    assert middle_cut("northern flicker, juvenile, 5", 16) == "northern…ile, 5"
    assert shortened("one two three four five", 9, 2) == "one two\nthree…"
    assert shortened("", 5) == ""


def test_a_thumbnail_of_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert thumbnail(tmp_path / "none.png") is None
    deep = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = thumbnail(tmp_path / "deep.png")
    assert found is not None and found.shape == (20, 20, 3) and (found.min(), found.max()) == (0, 255)
