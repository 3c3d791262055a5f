"""`vitscope models` against a real server."""

import json

import pytest

from tests.client.servicer import LABELS, Servicer, fashion, serving_in_thread
from vitscope.client.commands.models import main
from vitscope.v1 import model_pb2

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def failed() -> model_pb2.Model:
    return model_pb2.Model(
        summary=model_pb2.ModelSummary(
            name="birds", version=12, state=model_pb2.MODEL_STATE_FAILED, state_detail="graph changed [hash]"
        ),
        labels=[f"bird {number}" for number in range(200)],
    )


def test_the_list(capsys: Capture) -> None:
    with serving_in_thread(Servicer(models=[failed(), fashion()])) as [address]:
        assert main(["--server", address]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["model", "version", "state", "engine"],
        ["birds", "12", "failed"],
        ["fashion", "1", "ready", "openvino/bf16"],
        [],
        ["birds", "v12", "failed:", "graph", "changed", "[hash]"],
    ]


@pytest.mark.parametrize("columns", [60, 40])
def test_a_narrow_terminal_cuts_no_word_and_leaves_nothing_out(
    columns: int, server: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    long = failed()
    long.summary.name, long.summary.state_detail = "birds-of-" * 6 + "paradise", "its graph " + "was changed " * 12
    with serving_in_thread(Servicer(models=[long, fashion()])) as [address]:
        assert main(["--server", address]) == 0
    out = capsys.readouterr().out
    rows, details = out.split("\n\n")
    assert max(map(len, out.splitlines())) <= columns and "…" not in out
    names = "".join(row.split()[0] for row in rows.splitlines()[1:])
    assert names == f"{long.summary.name}fashion" and "openvino/bf16" in rows
    assert " ".join(details.split()).endswith(long.summary.state_detail.strip())
    assert main(["fashion", "--server", server]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert "logits within 0.02, attention cosine 0.9999 on average, 0.9991 at the lowest" in " ".join(out.split())


def test_a_server_without_models(capsys: Capture) -> None:
    with serving_in_thread(Servicer(models=[])) as [address]:
        assert main(["--server", address]) == 0
    assert "no models" in capsys.readouterr().out


def test_one_model(server: str, capsys: Capture) -> None:
    assert main(["fashion", "--version", "1", "--server", server]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    for part in (
        "fashion v1, ready",
        "vit, 4 layers × 3 heads, width 192",
        "10: T-shirt, trouser",
        "28 × 28, squash to 28 × 28, bilinear; mean 0.5 0.5 0.5, std 0.5 0.5 0.5",
        "5 × 7 patches of 4 × 4 px, 1 class, 0 distillation, 0 register; head reads cls",
        "openvino/bf16 2026.4 on CPU, batches up to 16",
        "the fastest certified engine here",
        "1: 2.0 ms",
        "openvino/bf16 passed: 99.50% same top class on 200 images, logits within 0.02, "
        "attention cosine 0.9999 on average, 0.9991 at the lowest",
    ):
        assert part in text


def test_many_labels_are_counted_and_cut(capsys: Capture) -> None:
    with serving_in_thread(Servicer(models=[failed()])) as [address]:
        assert main(["birds", "--server", address]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "200: bird 0, bird 1," in text
    assert "bird 11, … (188 more; --json has all)" in text
    assert "maps exported without" in text


def test_json(server: str, capsys: Capture) -> None:
    assert main(["--json", "--server", server]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "MODEL_STATE_READY"
    assert main(["fashion", "--json", "--server", server]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == LABELS


def test_errors(server: str, unused_address: str, capsys: Capture) -> None:
    assert main(["none", "--server", server]) == 2
    assert "vitscope models: model: no model 'none'; accepted: fashion" in capsys.readouterr().err
    assert main(["--server", unused_address, "--timeout", "3"]) == 2
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fashion", "--version", "-1"], "--version: '-1'; accepted: a whole number from 1 to 4294967295"),
        (["fashion", "--version", "99999999999"], "--version: '99999999999'"),
        (["--version", "3"], "add its NAME"),
    ],
)
def test_options_that_are_refused(argv: list[str], message: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
