"""`vitscope classify` against a real server."""

import io
import json
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.client.servicer import Servicer, serving_in_thread
from vitscope.client.commands.classify import _options, _parser, _writer, main
from vitscope.client.request import RenderingOptions, classify_request
from vitscope.v1 import maps_pb2

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


OF_EVIDENCE = {"class_indices", "class_labels", "top_classes", "versus_index", "versus_label", "versus_rank", "mode"}
OF_EVIDENCE |= {"when", "when_below"}


def test_one_photo(server: str, photos: Path, capsys: Capture) -> None:
    assert main([str(photos / "one.jpg"), "--server", server, "--top", "3"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert sum("%" in line for line in lines) == 3
    assert "  12.3 ms: decode 1.2, queue 0.1, infer 9.8" in out
    assert "  64 × 48 px · fashion v1 · openvino/bf16 · batch 4" in out
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert err == ""


def test_a_broken_file_is_reported_and_the_others_are_classified(server: str, photos: Path, capsys: Capture) -> None:
    assert main([str(photos), str(photos / "none.jpg"), "--server", server]) == 1
    out, err = capsys.readouterr()
    order = [name for line in out.splitlines() for name in ("three.webp", "one.jpg", "two.png") if name in line]
    assert order == ["three.webp", "one.jpg", "two.png"]
    assert "broken.jpg: image.encoded: not an image file; accepted: JPEG" in err
    assert "none.jpg: No such file" in err
    assert "5 images in " in err
    assert "images/s, 2 failed" in err


def test_json_lines_keep_the_order_also_when_answers_do_not(photos: Path, capsys: Capture) -> None:
    files = [str(photos / name) for name in ("one.jpg", "broken.jpg", "two.png", "more/three.webp")]
    with serving_in_thread(Servicer(delay=0.1, shuffled=True)) as [address]:
        assert main([*files, "--json", "--top", "1", "--server", address]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["image"] for record in records] == files
    assert records[1]["error"]["code"] == "INVALID_ARGUMENT"
    assert all(len(record["classes"]) == 1 for record in records if "error" not in record)


def test_json_with_maps_of_some_layers_and_heads(server: str, photos: Path, capsys: Capture) -> None:
    argv = [str(photos / "one.jpg"), "--json", "--maps", "--layer", "0", "--layer", "-1", "--head", "2"]
    assert main([*argv, "--server", server]) == 0
    maps = json.loads(capsys.readouterr().out)["maps"]
    assert [(one["layer"], one["head"]) for one in maps] == [(0, 2), (3, 2)]


def test_standard_input(server: str, photos: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO((photos / "one.jpg").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["-", "--server", server]) == 0
    assert capsys.readouterr().out.startswith("stdin")


def test_the_overlay_of_one_photo(
    server: str, photos: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # paths are not wrapped
    out = tmp_path / "map.png"
    assert main([str(photos / "one.jpg"), "--attention", str(out), "--opacity", "0.9", "--server", server]) == 0
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 48))
    assert "map.png" in capsys.readouterr().out


def test_a_path_is_not_broken_so_that_it_can_be_copied(
    server: str, photos: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = tmp_path / "a-folder-with-a-rather-long-name" / "map.png"
    assert main([str(photos / "one.jpg"), "--attention", str(out), "--server", server]) == 0
    shown = capsys.readouterr().out
    assert str(photos / "one.jpg") in shown
    assert f"  attention {out}\n" in shown


def test_the_overlays_of_a_folder(server: str, photos: Path, tmp_path: Path) -> None:
    assert main([str(photos), "--attention", str(tmp_path / "maps"), "--colormap", "inferno", "--server", server]) == 1
    found = sorted(str(path.relative_to(tmp_path / "maps")) for path in (tmp_path / "maps").rglob("*.png"))
    assert found == ["more/three.png", "one.png", "two.png"]


def test_every_option_of_the_api_has_its_option_here(tmp_path: Path) -> None:
    arguments = _parser().parse_args(
        f"photo.jpg --attention {tmp_path}/map.jpg --layer all --head all --method attention --dtype float16 "
        "--patch 3,7 --direction to --fusion max --discard 0.5 --from-layer -2 "
        "--kind heat_map --colormap grey --opacity 0.25 --size 512 --upsampling nearest".split()
    )
    message = classify_request(b"photo", **_options(arguments, _writer(arguments, 1))).maps
    for part in (message, message.rendering, message.rollout):
        numbers = {field.name for field in part.DESCRIPTOR.fields} - {"layers", "heads"} - OF_EVIDENCE
        assert numbers == {field.name for field, _ in part.ListFields()}
    assert message.rendering.format == maps_pb2.PICTURE_FORMAT_JPEG
    assert message.rendering.upsampling == maps_pb2.UPSAMPLING_NEAREST
    assert (message.token.patch.row, message.token.patch.col) == (3, 7)
    assert message.direction == maps_pb2.ATTENTION_DIRECTION_TO
    assert message.rollout == maps_pb2.RolloutOptions(fusion=maps_pb2.HEAD_FUSION_MAX, discard=0.5, from_layer=-2)


def test_every_option_of_evidence_has_its_option_here() -> None:
    def asked(text: str) -> maps_pb2.MapOptions:
        arguments = _parser().parse_args(["photo.jpg", "--method", "evidence", *text.split()])
        return classify_request(b"photo", **_options(arguments, None)).maps

    found = asked("--class sneaker --class 3 --class =7 --versus ankle-boot --mode direct --when margin-below=0.25")
    assert (list(found.class_labels), list(found.class_indices)) == (["sneaker", "7"], [3])
    assert (found.versus_label, found.mode) == ("ankle-boot", maps_pb2.EVIDENCE_MODE_DIRECT)
    assert (found.when, found.when_below) == (maps_pb2.MAP_CONDITION_MARGIN_BELOW, 0.25)
    assert asked("--versus 0").versus_index == 0 and asked("--versus 0").HasField("versus_index")
    found = asked("--top-classes 3 --versus-rank 2 --when confidence-below=1")
    assert (found.top_classes, found.versus_rank, found.when) == (3, 2, maps_pb2.MAP_CONDITION_CONFIDENCE_BELOW)
    assert asked("") == maps_pb2.MapOptions(method=maps_pb2.MAP_METHOD_EVIDENCE, dtype=maps_pb2.DATA_TYPE_FLOAT32)


def test_options_that_are_not_given_are_the_defaults_of_the_library(tmp_path: Path) -> None:
    arguments = _parser().parse_args(["photo.jpg", "--attention", f"{tmp_path}/map.png"])
    options = _options(arguments, _writer(arguments, 1))
    assert options["rendering"] == RenderingOptions()
    assert classify_request(b"photo", **options) == classify_request(
        b"photo", attention="last", rendering=RenderingOptions()
    )


def test_the_server_may_be_named_by_a_variable(
    server: str, photos: Path, unused_address: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITSCOPE_SERVER", server)
    assert main([str(photos / "one.jpg")]) == 0
    assert main([str(photos / "one.jpg"), "--server", unused_address]) == 2  # the option wins
    monkeypatch.setenv("VITSCOPE_SERVER", "x:y")
    capsys.readouterr()
    assert main([str(photos / "one.jpg")]) == 2
    assert capsys.readouterr().err.startswith("vitscope classify: VITSCOPE_SERVER: 'x:y' is not an address")


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_of_every_image_stops_the_run(server: str, photos: Path, count: int, capsys: Capture) -> None:
    assert main([str(photos / "one.jpg")] * count + ["--model", "none", "--server", server]) == 2
    assert capsys.readouterr().err == "vitscope classify: model: no model 'none'; accepted: fashion\n"


@pytest.mark.parametrize("count", [1, 3])
def test_no_server_is_explained_in_time(photos: Path, unused_address: str, count: int, capsys: Capture) -> None:
    began = time.monotonic()
    assert main([str(photos / "one.jpg")] * count + ["--server", unused_address, "--timeout", "5"]) == 2
    assert time.monotonic() - began < 5
    err = capsys.readouterr().err
    assert f"vitscope classify: {unused_address} does not answer: " in err
    assert "Is a server running there? `make serve`" in err


@pytest.mark.parametrize("count", [1, 3])
def test_a_host_that_does_not_answer_fails_at_the_timeout(photos: Path, count: int, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, began = f"127.0.0.1:{silent.getsockname()[1]}", time.monotonic()
        assert main([str(photos / "one.jpg")] * count + ["--server", address, "--timeout", "0.5"]) == 2
    assert time.monotonic() - began < 2.5
    assert f"{address} did not answer in time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--layer", "1"], "add --attention OUT, or --json --maps"),
        (["--head", "1"], "add --attention OUT, or --json --maps"),
        (["--method", "cam"], "add --attention OUT, or --json --maps"),
        (["--maps"], "add --json"),
        (["--class", "3"], "--class: which class is explained; add --method evidence"),
        (["--versus", "bag", "--mode", "direct", "--method", "cam"], "--versus, --mode: which class is explained"),
        (["--method", "evidence", "--class", "1", "--top-classes", "2"], "--top-classes: set beside --class"),
        (["--method", "evidence", "--versus", "1", "--versus-rank", "2"], "--versus-rank: set beside --versus"),
        (["--method", "evidence", "--top-classes", "11"], "--top-classes: '11'; accepted: a whole number from 1 to 10"),
        (["--when", "margin-below=0.2"], "--when says which maps to return; add --attention OUT"),
        (["--when", "margin-below=0", "--attention", "x"], "--when: 'margin-below=0'; accepted: confidence-below=X or"),
        (["--when", "never", "--attention", "x"], "--when: 'never'; accepted: confidence-below=X or margin-below=X"),
        (
            ["--method", "evidence", "--json"],
            "--method says which maps to return; add --attention OUT, or --json --maps",
        ),
        (["--size", "512", "--kind", "heat_map"], "--kind and --size say how pictures are drawn; add --attention OUT"),
        (["--method", "attention"], "--method says which maps to return; add --attention OUT"),
        (["--size", "31"], "--size: '31'; accepted: a whole number from 32 to 2048"),
        (["--attention", "x", "--head", "all", "--head", "1"], "--head: all, and 1 more; accepted: all alone"),
        (["--colormap", "jet", "--attention", "x"], "invalid choice: 'jet'"),
        (["--top", "0"], "--top: '0'; accepted: a whole number from 1 to 4294967295"),
        (["--version", "-1"], "--version: '-1'; accepted: a whole number from 1"),
        (["--window", "0"], "--window: '0'"),
        (["--head", "-1"], "--head: '-1'; accepted: a whole number from 0"),
        (["--layer", "1.5"], "--layer: '1.5'"),
        (["--opacity", "0"], "--opacity: '0'; accepted: a number above 0 and up to 1"),
        (["--min-probability", "1.1"], "--min-probability: '1.1'; accepted: a number from 0 to 1"),
    ],
)
def test_options_that_do_not_go_together(photos: Path, argv: list[str], message: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(photos / "one.jpg"), *argv])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--server", "x:y"], "--server: 'x:y' is not an address"),
        (["--tls-roots", "none.pem"], "--tls-roots: none.pem: No such file"),
        (["--attention", "map.png"], "--attention map.png: named like a file"),
    ],
)
def test_a_wrong_value_is_named(server: str, photos: Path, argv: list[str], message: str, capsys: Capture) -> None:
    assert main([str(photos), "--server", server, *argv]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_images(tmp_path: Path, capsys: Capture) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no images in this folder" in capsys.readouterr().err


def test_a_failed_image_is_named_once_and_cannot_control_the_terminal(
    server: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # paths are not wrapped
    name = "red\x1b[31m.jpg"
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert main([str(tmp_path / name), f"{tmp_path}/./none.jpg", "--server", server]) == 1
    out, err = capsys.readouterr()
    assert "red\\x1b[31m.jpg" in out and "\x1b" not in out
    assert err.splitlines()[0] == f"{tmp_path}/./none.jpg: No such file or directory"


def test_an_image_larger_than_the_server_takes_fails_alone(photos: Path, tmp_path: Path, capsys: Capture) -> None:
    Image.effect_noise((300, 300), 90).save(tmp_path / "large.png")
    files = [str(photos / "one.jpg"), str(tmp_path / "large.png"), str(photos / "two.png")]
    servicer = Servicer(max_bytes=20_000)
    with serving_in_thread(servicer) as [address]:
        assert main([*files, "--server", address]) == 1
        assert main([files[1], "--server", address]) == 1
    assert capsys.readouterr().err.count("large.png: image: the message with it has ") == 2
    assert servicer.streams <= 2
