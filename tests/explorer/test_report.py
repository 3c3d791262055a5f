"""Reports, opened from disk in a browser without a network."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import RunningServer
from tests.explorer.browser import Opened
from tests.http1 import Socket
from vitscope.client.commands import report

MODEL = "registers"
SERVER_ONLY = {"embedding", "positions", "holds"}
"""Panels that ask the server for more."""


def written(server: RunningServer, out: Path, *photos: Path) -> Path:
    flags = ["--model", MODEL, "--server", server.address, "--timeout", "60", "-o", str(out)]
    assert report.main([*map(str, photos), *flags]) == 0
    return out


def opened_offline(chromium: Any, file: Path) -> Opened:
    context = chromium.new_context(offline=True, viewport={"width": 1200, "height": 900})
    found = Opened(context.new_page(), f"file://{file.parent}")
    found.page.goto(file.as_uri())
    found.page.locator(f"#shown[data-model='{MODEL}']").wait_for()
    return found


def test_a_report_shows_the_panels_without_any_server(
    server: RunningServer, chromium: Any, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cat.jpg").write_bytes(photo)
    file = written(server, tmp_path / "report.html", tmp_path / "cat.jpg")
    assert re.fullmatch(rf"{file} \(0\.\d MiB\)\n", capsys.readouterr().out)
    found = opened_offline(chromium, file)
    for section in found.page.locator("section.panel").all():
        name = section.get_attribute("id")
        if name not in SERVER_ONLY:
            assert found.panel(name).get_attribute("data-state") == "drawn", name
    found.panel("positions").locator(".note", has_text="This report does not have it").wait_for()
    with Socket(server.http) as client:
        asked = client.request("POST", f"/api/v1/classify?model={MODEL}", photo, Content_Type="image/jpeg").json
    best = asked["classes"][0]
    assert found.page.locator("#overview .answer").inner_text().startswith(best["label"])
    assert not found.complaints, found.complaints
    # No script but its own: one that is put in is not run.
    found.page.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), { text: 'x = 1' }))"
    )
    assert found.page.evaluate("() => typeof x") == "undefined"
    found.page.context.close()


def test_a_report_of_a_folder_begins_with_an_overview(
    server: RunningServer, chromium: Any, photo: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(photo)
    (folder / "b <i>.jpg").write_bytes(photo)
    (folder / "more" / "c.png").write_bytes(photo)
    found = opened_offline(chromium, written(server, tmp_path / "report.html", folder))
    rows = found.page.locator("#summary tbody tr")
    assert {row.locator("td").nth(1).inner_text() for row in rows.all()} == {"a.jpg", "b <i>.jpg", "more/c.png"}
    assert rows.first.inner_text().endswith("most certain") and rows.last.inner_text().endswith("least certain")
    assert found.page.locator("#summary img").evaluate_all("(all) => all.every((image) => image.naturalWidth > 0)")
    found.page.locator(".sample").nth(1).click()
    found.page.wait_for_url("**sample=b*")
    assert found.panel("matrix").get_attribute("data-state") == "drawn"
    assert not found.complaints, found.complaints
    found.page.context.close()


def test_what_cannot_be_written_is_said(
    server: RunningServer, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo)
    there = ["--model", MODEL, "--server", server.address]
    for arguments, said in (
        ([str(tmp_path / "none.jpg"), *there], "none.jpg: No such file or directory"),
        ([str(tmp_path / "a.jpg"), *there, "-o", str(tmp_path)], f"--out {tmp_path}: Is a directory"),
        ([str(tmp_path / "a.jpg"), "--model", "other", "--server", server.address], "other"),
    ):
        assert report.main(arguments) == 2
        assert said in capsys.readouterr().err


def test_a_photo_that_cannot_be_used_is_named_and_the_others_are_written(
    server: RunningServer, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cat.jpg").write_bytes(photo)
    (tmp_path / "text.jpg").write_bytes(b"no photo")
    out = tmp_path / "report.html"
    arguments = [str(tmp_path / name) for name in ("text.jpg", "cat.jpg", "none.jpg")]
    assert report.main([*arguments, "--model", MODEL, "--server", server.address, "-o", str(out)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"vitscope report: {tmp_path}/text.jpg: image.encoded: ")
    assert second == f"vitscope report: {tmp_path}/none.jpg: No such file or directory"
    assert '"name": "cat.jpg"' in out.read_text()


def test_what_a_report_has_is_what_the_json_api_answers(server: RunningServer, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo)
    text = written(server, tmp_path / "report.html", tmp_path / "a.jpg").read_text()
    (recorded,) = re.findall(r'<script type="application/json" id="recorded">(.*?)</script>', text)
    found = json.loads(recorded)
    query = f"model={MODEL}&top_k=10&maps.method=attention&maps.all_layers=true&maps.all_heads=true"
    with Socket(server.http) as client:
        model = client.request("GET", f"/api/v1/models/{MODEL}").json["model"]
        answer = client.request("POST", f"/api/v1/classify?{query}", photo, Content_Type="image/jpeg").json
    assert found["model"].keys() == model.keys()
    assert found["model"]["tokens"] == model["tokens"] and found["model"]["explain_parts"] == model["explain_parts"]
    mine = found["photos"][0]["answer"]
    assert mine.keys() == answer.keys() and mine["activation"] == answer["activation"]
    assert [one["index"] for one in mine["classes"]] == [one["index"] for one in answer["classes"]]
    assert [(one["layer"], one["head"], len(one["values"])) for one in mine["maps"]] == [
        (one["layer"], one["head"], len(one["values"])) for one in answer["maps"]
    ]
