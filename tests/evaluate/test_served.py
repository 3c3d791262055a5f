"""From checkpoint to reply: the same report everywhere, and probabilities that are divided by the temperature."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.evaluate.conftest import TEMPERATURE
from tests.export.checkpoints import LABELS
from vitscope import Client
from vitscope.client.commands.models import main as models_command
from vitscope.evaluate.cli import main
from vitscope.evaluate.compare_cli import main as compare
from vitscope.evaluate.sources.checkpoint import CheckpointSource

Capture = pytest.CaptureFixture[str]


def metrics(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "metrics.json").read_text())
    return found


def rows(report: Path) -> list[dict[str, str]]:
    with (report / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reports(evaluated: Path, served: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of the first version from each source, and of both versions from the server."""
    out, data = tmp_path_factory.mktemp("reports"), ["--data", str(evaluated / "data")]
    sources = {
        "checkpoint": ["--checkpoint", str(evaluated / "first")],
        "bundle": ["--bundle", str(evaluated / "models/pets/1")],
        "versions": ["--target", served, "--model", "pets", "--version", "1", "--versus-version", "2"],
    }
    for name, options in sources.items():
        assert main([*data, *options, "--out", str(out / name)]) == 0
    return {name: out / name for name in sources} | {"server": out / "versions/1"}


def test_the_report_is_the_same_for_checkpoint_bundle_and_server(reports: dict[str, Path]) -> None:
    found = {name: metrics(reports[name]) for name in ("checkpoint", "bundle", "server")}
    assert {name: one["settings"]["measured"] for name, one in found.items()} == {name: name for name in found}
    expected = found["checkpoint"]
    assert 0.5 < expected["accuracy"]["value"] < 1 and expected["images"] == 40
    assert expected["temperature"] == TEMPERATURE
    assert expected["calibration"]["before"]["nll"] != expected["calibration"]["after"]["nll"]
    for one in found.values():
        assert {name: one[name] for name in ("accuracy", "macro", "confusion", "classes", "temperature")} == {
            name: expected[name] for name in ("accuracy", "macro", "confusion", "classes", "temperature")
        }
        assert one["calibration"]["after"]["nll"] == pytest.approx(expected["calibration"]["after"]["nll"], abs=1e-4)
    for name in found:
        assert [row["image"] for row in rows(reports[name])] == [row["image"] for row in rows(reports["checkpoint"])]


def test_served_probabilities_are_divided_by_the_temperature_and_logits_are_not(evaluated: Path, served: str) -> None:
    images = sorted((evaluated / "data").rglob("*.png"))[:5]
    raw = {images[index]: logits for index, logits in CheckpointSource(str(evaluated / "first")).answers(images)}
    with Client(served) as client:
        assert (client.get_model("pets", 1).temperature, client.get_model("pets", 2).temperature) == (TEMPERATURE, 1)
        for image in images:
            classes = client.classify(image, model="pets", version=1, top_k=5).classes
            logits = np.array([one.logit for one in sorted(classes, key=lambda one: one.index)])
            assert logits == pytest.approx(raw[image], abs=1e-3)
            expected = np.exp(logits / TEMPERATURE) / np.exp(logits / TEMPERATURE).sum()
            assert {one.index: one.probability for one in classes} == pytest.approx(dict(enumerate(expected)), abs=1e-5)
            least = float(np.sort(expected)[-2:].mean())
            kept = client.classify(image, model="pets", version=1, top_k=5, min_probability=least).classes
            assert kept == classes[:1]


def test_models_tells_the_temperature(served: str, capsys: Capture) -> None:
    assert models_command(["pets", "--version", "1", "--server", served]) == 0
    assert "calibrated: logits / 2" in capsys.readouterr().out
    assert models_command(["pets", "--version", "2", "--server", served]) == 0
    assert "calibrated" not in capsys.readouterr().out


def test_two_versions_are_compared_image_by_image(reports: dict[str, Path]) -> None:
    found = json.loads((reports["versions"] / "comparison.json").read_text())
    first, second = rows(reports["versions"] / "1"), rows(reports["versions"] / "2")
    right = [(a["predicted"] == a["label"], b["predicted"] == b["label"]) for a, b in zip(first, second, strict=True)]
    counts = [right.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    names = ("both_right", "only_first_right", "only_second_right", "both_wrong")
    assert [found[name] for name in names] == counts
    assert counts[1], "two versions with the same answers prove nothing"
    differing = {a["image"] for a, b in zip(first, second, strict=True) if a["predicted"] != b["predicted"]}
    assert {one["image"] for one in found["differing"]} == differing
    assert found["accuracy_difference"]["value"] == pytest.approx((counts[2] - counts[1]) / 40)
    text = (reports["versions"] / "README.md").read_text()
    assert "pets version 2 (server) against pets version 1 (server)" in text and "McNemar (exact) p = " in text
    assert "](differences.png)" in text and (reports["versions"] / "differences.png").stat().st_size > 1000


def test_reports_stand_in_one_table(reports: dict[str, Path], capsys: Capture, tmp_path: Path) -> None:
    three = [str(reports[name]) for name in ("checkpoint", "bundle", "server")]
    assert compare([*three, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert out.count("PyTorch") == 1 and out.count("openvino") == 2
    assert out.count("Right alone") == 2 and out.count("McNemar (exact) p = 1.000") == 2
    assert json.loads((tmp_path / "out/2/comparison.json").read_text())["differing"] == []
    with pytest.raises(SystemExit):
        compare(three[:1])
    assert compare([three[0], str(tmp_path)]) == 2
    assert "metrics.json: No such file or directory; accepted: a folder that" in capsys.readouterr().err


def test_an_unreadable_image_is_named_and_counted(
    evaluated: Path, served: str, tmp_path: Path, capsys: Capture
) -> None:
    data, out = shutil.copytree(evaluated / "data", tmp_path / "data"), tmp_path / "out"
    (data / LABELS[0] / "broken.png").write_bytes(b"not a png")
    # The server's format limits are its own: this one Pillow reads, and the server refuses.
    shutil.copy(next(data.rglob("0*.png")), data / LABELS[0] / "wide.png")
    _widen(data / LABELS[0] / "wide.png")
    arguments = ["--data", str(data), "--target", served, "--model", "pets", "--version", "1", "--out", str(out)]
    assert main(arguments) == 2
    assert "1 unreadable image" in capsys.readouterr().err
    assert main([*arguments, "--skip-unreadable"]) == 1
    err = capsys.readouterr().err
    assert "left out 1 unreadable image: " in err and "broken.png" in err
    assert "wide.png: " in err and "1 of 41 images were not answered" in err
    found = metrics(out)
    assert found["images"] == 40 and found["unreadable"][0]["path"] == f"{LABELS[0]}/wide.png"
    assert "wide.png" in (out / "README.md").read_text() and "broken.png" in (out / "README.md").read_text()


def _widen(path: Path) -> None:
    Image.new("L", (70000, 1)).save(path)


def test_labels_and_options_that_do_not_fit_are_named(
    evaluated: Path, served: str, tmp_path: Path, capsys: Capture
) -> None:
    data, out = shutil.copytree(evaluated / "data", tmp_path / "data"), str(tmp_path / "out")
    (data / LABELS[0]).rename(data / "teacup")
    target = ["--target", served, "--model", "pets", "--version", "1", "--out", out]
    assert main(["--data", str(data), *target]) == 2
    err = capsys.readouterr().err
    assert "1 of its" in err and "unknown to the server pets version 1: 'teacup'; that model has 5: 'cup', " in err
    good = ["--data", str(evaluated / "data")]
    assert main([*good, *target, "--versus-version", "1"]) == 2
    assert "pets version 1 is what it is compared with" in capsys.readouterr().err
    (tmp_path / "out/file").touch()
    assert main([*good, *target]) == 2
    assert "holds files already; accepted: a new or empty folder, or --overwrite" in capsys.readouterr().err
    for wrong, text in {
        ("--target", "127.0.0.1:1", "--timeout", "1"): "--target 127.0.0.1:1: ",
        ("--target", served, "--model", "cars"): "NOT_FOUND",
        ("--checkpoint", str(tmp_path / "none")): "--checkpoint",
        ("--bundle", str(tmp_path)): "--bundle",
        ("--target", served, "--split", "train"): "--split train: not in this data set; accepted: test",
    }.items():
        assert main([*good, *wrong, "--out", out, "--overwrite"]) == 2, wrong
        assert text in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*good, "--checkpoint", "x", "--model", "pets", "--out", out])
    assert "add --target" in capsys.readouterr().err
