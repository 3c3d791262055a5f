"""The inside of the encoder over a socket: values, limits, slow readers, deadlines."""

import io
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from tests.e2e.harness import RunningServer, numbered
from vitscope import AsyncClient, Client, Explained
from vitscope.client.commands import matrices
from vitscope.client.errors import DeadlineExceeded, InvalidImage, InvalidRequest, Overloaded
from vitscope.v1 import explain_pb2, explain_pb2_grpc, image_pb2, maps_pb2

LAYERS, HEADS, TOKENS, WIDTH = 3, 6, 197, 64
EVERYTHING = ("matrices", "rows", "columns", "queries", "keys", "values", "token_norms", "lens", "rollout", "updates")
LARGE = [explain_pb2.EXPLAIN_PART_MATRICES, explain_pb2.EXPLAIN_PART_KEYS, explain_pb2.EXPLAIN_PART_VALUES]


@pytest.fixture(scope="module")
def server(heavy_models: Path) -> Iterator[RunningServer]:
    """All matrices of its model take 2.7 MiB, everything that it computes of an image 5.5 MiB."""
    limits = ["--max-in-flight-mib", "12", "--max-explain-mib", "5", "--max-message-mib", "2", "--max-image-mib", "1"]
    with RunningServer(heavy_models, *limits) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def everything(server: RunningServer, photo: bytes) -> Explained:
    with Client(server.address, timeout=60) as client:
        return client.explain(photo, parts=EVERYTHING, layers=[0, -1], patches=[(3, 7), (13, 0)], top_k=3)


def opened(server: RunningServer) -> tuple[grpc.Channel, explain_pb2_grpc.ExplainServiceStub]:
    """Return a connection of its own with gRPC's default limits, where a message may have 4 MB.

    Its window does not grow: otherwise gRPC would take whole replies for a reader who does not read.
    """
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
    channel = grpc.insecure_channel(server.address, options)
    return channel, explain_pb2_grpc.ExplainServiceStub(channel)


def request(photo: bytes, **fields: Any) -> explain_pb2.ExplainRequest:
    return explain_pb2.ExplainRequest(image=image_pb2.Image(encoded=photo), **fields)


def test_matrices_and_norms_are_those_of_transformers(heavy_models: Path, everything: Explained, photo: bytes) -> None:
    checkpoint = heavy_models.parent / "checkpoint"
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(checkpoint, attn_implementation="eager").eval()
    pixels = processor(Image.open(io.BytesIO(photo)), return_tensors="pt", size={"height": 224, "width": 224})
    with torch.inference_mode():
        out = model(**pixels, output_attentions=True, output_hidden_states=True)
    expected = torch.stack([out.attentions[0][0], out.attentions[-1][0]]).numpy()
    # The server decodes the JPEG at a reduced size.
    assert everything.matrices is not None and everything.token_norms is not None
    cosine = (everything.matrices * expected).sum(-1) / (
        np.linalg.norm(everything.matrices, axis=-1) * np.linalg.norm(expected, axis=-1)
    )
    assert cosine.mean() > 0.99
    np.testing.assert_allclose(everything.token_norms[0], out.hidden_states[0][0].norm(dim=-1), rtol=0.05)
    assert everything.updates is not None and everything.updates.shape == (LAYERS, 2, TOKENS)
    # The way from one state to the next is no longer than its two parts.
    ways = np.stack([(b - a)[0].norm(dim=-1) for a, b in pairwise(out.hidden_states)])
    assert (ways < everything.updates.sum(axis=1) * 1.05).all()


def test_the_parts_fit_together(everything: Explained) -> None:
    one, tokens = everything, everything.tokens
    assert (one.layers, one.heads) == ((0, 2), tuple(range(HEADS)))
    assert (tokens.count, tokens.cls, tokens.prefix, tokens.rows, tokens.cols) == (TOKENS, 1, 1, 14, 14)
    assert one.chosen == (tokens.index(3, 7), tokens.index(13, 0)) == (50, 183)
    assert one.matrices is not None and one.queries is not None and one.keys is not None and one.lens is not None
    assert one.matrices.shape == (2, HEADS, TOKENS, TOKENS)
    np.testing.assert_allclose(one.matrices.sum(axis=-1), 1, atol=1e-5)
    scores = one.queries @ one.keys.swapaxes(-1, -2) / np.sqrt(WIDTH)
    softmax = np.exp(scores - scores.max(axis=-1, keepdims=True))
    np.testing.assert_allclose(softmax / softmax.sum(axis=-1, keepdims=True), one.matrices, atol=1e-4)
    assert one.rows is not None and one.columns is not None and one.rollout is not None
    np.testing.assert_array_equal(one.rows, one.matrices[:, :, list(one.chosen)])
    np.testing.assert_array_equal(one.columns, one.matrices[..., list(one.chosen)].swapaxes(-1, -2))
    np.testing.assert_allclose(one.rollout.sum(axis=-1), 1, atol=1e-5)
    assert one.lens_classes == tuple(best.index for best in one.classes) and one.lens.shape == (4, TOKENS, 3)
    np.testing.assert_allclose(one.lens[-1, 0], [best.logit for best in one.classes], atol=1e-4)


def test_maps_of_any_patch_are_the_same_numbers(client: Client, everything: Explained, photo: bytes) -> None:
    assert everything.rows is not None and everything.columns is not None and everything.rollout is not None
    grid = everything.tokens.grid
    found = client.classify(photo, attention=[0, -1], heads="all", patch=(3, 7)).maps
    np.testing.assert_array_equal([one.values for one in found], grid(everything.rows[:, :, 0]).reshape(-1, 14, 14))
    (found_to,) = client.classify(photo, attention="last", patch=(3, 7), direction="to").maps
    np.testing.assert_allclose(found_to.values, grid(everything.columns[1, :, 0].mean(axis=0)), atol=1e-6)
    (rolled,) = client.classify(photo, method="rollout", patch=(3, 7)).maps
    np.testing.assert_array_equal(rolled.values, grid(everything.rollout[0]))
    assert rolled.values.sum() + rolled.cls == pytest.approx(1, abs=1e-5)


async def test_float16_and_async(server: RunningServer, everything: Explained, photo: bytes) -> None:
    async with AsyncClient(server.address, timeout=60) as client:
        half = await client.explain(photo, parts=["matrices", "token_norms"], layers=[2], heads=[4], dtype="float16")
    assert half.matrices is not None and half.matrices.shape == (1, 1, TOKENS, TOKENS)
    assert half.header.total_bytes == 2 * (TOKENS**2 + 4 * TOKENS)
    np.testing.assert_allclose(half.at(2, 4), everything.at(2, 4), rtol=1e-3, atol=1e-4)
    assert half.keys is None
    with pytest.raises(InvalidRequest, match="part: 'keys'; accepted: one that was asked for"):
        half.at(2, 4, "keys")


def test_pieces_describe_themselves_and_stay_within_their_limit(server: RunningServer, photo: bytes) -> None:
    channel, stub = opened(server)
    with channel:
        header, *pieces = stub.Explain(request(photo, parts=LARGE[:1], heads=[1, 5], piece_bytes=50_000), timeout=60)
    assert header.header.total_bytes == sum(len(one.piece.values) for one in pieces) == 3 * 2 * 4 * TOKENS**2
    assert max(one.ByteSize() for one in pieces) <= 50_100
    (blocks,) = header.header.parts
    assert (list(blocks.layers), list(blocks.heads), list(blocks.shape)) == ([0, 1, 2], [1, 5], [TOKENS, TOKENS])
    places = [(one.piece.layer, one.piece.head, one.piece.offset) for one in pieces]
    each = range(0, 4 * TOKENS**2, 50_000)
    assert places == [(layer, head, offset) for layer in range(3) for head in (1, 5) for offset in each]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parts": []}, "parts: none; accepted: at least one of matrices"),
        ({"parts": [99]}, "parts: 99; accepted: EXPLAIN_PART_UNSPECIFIED = 0, "),
        ({"parts": LARGE, "layers": [3]}, "layers: 3; accepted: -3 to 2"),
        ({"parts": LARGE, "heads": [6]}, "heads: 6; accepted: 0 to 5"),
        (
            {"parts": LARGE, "patches": [{"row": 14}]},
            "patches: row 14, column 0; accepted: row 0 to 13, column 0 to 13",
        ),
        ({"parts": LARGE, "dtype": maps_pb2.DATA_TYPE_UINT8}, "dtype: uint8; accepted: float32 or float16"),
        ({"parts": LARGE, "rollout": {"discard": 1}}, "rollout.discard: 1; accepted: 0 to below 1"),
        ({"parts": LARGE, "rollout": {"from_layer": 3}}, "rollout.from_layer: 3; accepted: -3 to 2"),
        ({"parts": LARGE, "rollout": {"fusion": 9}}, "rollout.fusion: 9; accepted: HEAD_FUSION_UNSPECIFIED = 0, "),
        ({"parts": LARGE, "piece_bytes": 2**21}, "piece_bytes: 2,097,152; accepted: 4,096 to 2,096,128"),
        ({"parts": [*LARGE, 4]}, "parts: a reply of 5.3 MiB; accepted: up to 5 MiB: fewer parts"),
    ],
)
def test_bad_input_names_the_field(server: RunningServer, photo: bytes, fields: dict[str, Any], message: str) -> None:
    channel, stub = opened(server)
    with channel, pytest.raises(grpc.RpcError) as refused:
        list(stub.Explain(request(photo, **fields), timeout=60))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(refused.value.details()).startswith(message)


def test_a_damaged_image_and_an_unknown_model_are_refused_as_by_classify(client: Client, photo: bytes) -> None:
    with pytest.raises(InvalidImage, match=r"^INVALID_ARGUMENT: image\.encoded: "):
        client.explain(b"no image")
    with pytest.raises(Exception, match="NOT_FOUND: model 'other' is not served here"):
        client.explain(photo, model="other")


def test_a_slow_reader_holds_no_more_than_its_part(server: RunningServer, photo: bytes) -> None:
    mine, slow = opened(server)
    others, other = opened(server)
    with mine, others:
        reply = slow.Explain(request(numbered(photo, 1), parts=LARGE), timeout=60)
        assert next(reply).WhichOneof("content") == "header"
        with pytest.raises(grpc.RpcError) as refused:
            list(slow.Explain(request(numbered(photo, 2), parts=LARGE), timeout=60))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "of them this caller's" in str(refused.value.details())
        assert "grpc-retry-pushback-ms" in dict(refused.value.trailing_metadata() or ())
        # Others are not disturbed, and what was begun comes as a whole.
        assert len(list(other.Explain(request(numbered(photo, 3), parts=LARGE[:1]), timeout=60))) == 1 + LAYERS * HEADS
        assert len(list(reply)) == 3 * LAYERS * HEADS
        assert len(list(slow.Explain(request(numbered(photo, 4), parts=LARGE), timeout=60))) == 1 + 3 * LAYERS * HEADS


def test_a_reader_who_leaves_or_is_late_gives_back_what_it_held(server: RunningServer, photo: bytes) -> None:
    channel, stub = opened(server)
    with channel:
        late = stub.Explain(request(numbered(photo, 11), parts=LARGE), timeout=1.5)
        next(late)
        time.sleep(2)
        with pytest.raises(grpc.RpcError) as ended:
            list(late)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        leaving = stub.Explain(request(numbered(photo, 12), parts=LARGE), timeout=60)
        next(leaving)
        leaving.cancel()
        until = time.monotonic() + 30
        while True:  # the cancellation is under way
            try:
                assert len(list(stub.Explain(request(numbered(photo, 13), parts=LARGE), timeout=60))) > LAYERS * HEADS
                break
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and time.monotonic() < until
                time.sleep(0.1)
    codes = {code: server.metric("grpc_server_handled_total", grpc_method="Explain", grpc_code=code)
             for code in ("DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN")}  # fmt: skip
    assert codes == {"DEADLINE_EXCEEDED": 1, "CANCELLED": 1, "INTERNAL": 0, "UNKNOWN": 0}


def test_a_deadline_that_cannot_be_met_is_answered_as_by_classify(client: Client, photo: bytes) -> None:
    with pytest.raises(DeadlineExceeded):
        client.explain(numbered(photo, 21), timeout=0.001)


def test_two_callers_at_once_get_what_is_theirs(server: RunningServer, photo: bytes) -> None:
    photos = [numbered(photo, 31), Image.open(io.BytesIO(photo)).rotate(180)]
    found: dict[int, Explained] = {}

    def ask(number: int) -> None:
        with Client(server.address, timeout=60) as client:
            while number not in found:
                try:
                    found[number] = client.explain(photos[number], layers=[1], heads=[0])
                except Overloaded:  # both are on one connection, and the server has little room
                    time.sleep(0.05)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Client(server.address, timeout=60) as client:
        for number in range(2):
            alone = client.explain(photos[number], layers=[1], heads=[0])
            np.testing.assert_array_equal(found[number].at(1, 0), alone.at(1, 0))
    assert not np.array_equal(found[0].at(1, 0), found[1].at(1, 0))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_command_draws_a_matrix_and_a_patch(
    server: RunningServer, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    out = tmp_path / f"out.{suffix}"
    command = [str(tmp_path / "photo.jpg"), "--server", server.address, "--timeout", "60", "-o", str(out)]
    assert matrices.main([*command, "--layer", "1", "--head", "2", "--patch", "3,7"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    if suffix == "png":
        with Image.open(out) as picture:
            assert min(picture.size) > 1000
    else:
        assert "Attention matrix of layer 1, head 2" in out.read_text()
    for wrong, message in (
        (["--layer", "3"], "layers: 3; accepted: -3 to 2"),
        (["--head", "6"], "heads: 6; accepted: 0 to 5"),
        (["--patch", "14,0"], "--patch 14,0: outside the grid; accepted: rows 0 to 13, columns 0 to 13"),
    ):
        assert matrices.main([*command, *wrong]) == 2
        assert capsys.readouterr().err == f"vitscope matrices: {message}\n"


def test_it_is_counted_like_every_other_request(server: RunningServer, client: Client, photo: bytes) -> None:
    before = (
        server.metric("vitscope_map_requests_total", method="explain"),
        server.metric("vitscope_requests_total", code="OK"),
    )
    client.explain(numbered(photo, 41), parts=["token_norms"])
    after = (
        server.metric("vitscope_map_requests_total", method="explain"),
        server.metric("vitscope_requests_total", code="OK"),
    )
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


def test_the_graph_is_loaded_when_asked_for_and_freed_when_idle(models: Path) -> None:
    photo = (Path(__file__).parents[2] / "examples/fashion/samples/bag-00018.png").read_bytes()
    with RunningServer(models, "--full-idle-seconds", "0.5") as server, Client(server.address, timeout=60) as client:
        assert not [event for event in server.events if event.get("graph") == "full"]
        first = client.explain(photo, model="fashion")
        assert server.wait_for("idle graph freed")["lane"] == "fashion/1 full"
        again = client.explain(photo, model="fashion")
        np.testing.assert_array_equal(again.matrices, first.matrices)
        assert len([event for event in server.events if event.get("graph") == "full"]) == 2
        assert server.wait_for("idle graph freed")["lane"] == "fashion/1 full"
        best = client.classify(photo, model="fashion").classes[0]
        assert (best.label, best.logit) == ("bag", pytest.approx(first.classes[0].logit, abs=1e-4))
