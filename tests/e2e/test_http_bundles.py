"""What the JSON API gives of bundles: the arrays of the embedding, and photos."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.arrays import KIND, split
from tests.bundle.sample import change_manifest
from tests.conftest import Once
from tests.e2e.harness import ROOT, RunningServer
from tests.export.families.exported import exported
from tests.http1 import Reply, Socket
from tests.server.models.bundles import write_bundle
from vitscope.bundle import open_bundle
from vitscope.drawing.principal import principal_filters

MODELS = "/api/v1/models"
PROBLEM = "application/problem+json"


def get(server: RunningServer, path: str, method: str = "GET", **headers: str) -> Reply:
    with Socket(server.http) as client:
        return client.request(method, MODELS + path, **headers)


def arrays(reply: Reply) -> dict[str, np.ndarray]:
    head, values = split(reply.body)
    return {
        name: np.frombuffer(values, "<f4", int(np.prod(each["shape"])), each["offset"]).reshape(each["shape"])
        for name, each in head["arrays"].items()
    }


@pytest.mark.parametrize("name", ["fashion", "registers"])
def test_the_embedding_is_that_of_the_bundle(server: RunningServer, models: Path, name: str) -> None:
    reply, bundle = get(server, f"/{name}/embedding"), open_bundle(models / name / "1")
    assert (reply.status, reply.headers["content-type"]) == (200, KIND)
    found, expected, (head, _) = arrays(reply), bundle.embedding(), split(reply.body)
    assert (head["model"], head["version"], head["digest"]) == (name, 1, bundle.digest)
    assert (head["grid"], head["stride"]) == (list(expected.grid), list(expected.stride))
    assert (head["padding"], head["kinds"]) == ([0, 0], ["table"])
    assert (head["mean"], head["rescale"]) == (list(bundle.manifest.input.mean), bundle.manifest.input.rescale)
    registers = [f"register {number}" for number in (1, 2, 3, 4)] if name == "registers" else []
    assert head["prefix"] == ["class", *registers]
    for array in ("kernel", "bias", "prefix_tokens", "positions"):
        np.testing.assert_array_equal(found[array], getattr(expected, array), array)
    principal = principal_filters(expected.kernel)
    np.testing.assert_allclose(found["principal_filters"], principal.filters[:28].astype(np.float32), atol=1e-6)
    np.testing.assert_allclose(found["principal_shares"], principal.shares[:28], atol=1e-6)
    assert len(found["principal_filters"]) == 28 and "rope" not in found
    assert get(server, f"/{name}/1/embedding").body == reply.body


def test_what_a_client_has_is_not_sent_again(server: RunningServer) -> None:
    for path in ("/fashion/embedding", "/fashion/samples", "/fashion/1/samples/bag-00018.png"):
        with Socket(server.http) as client:
            first = client.request("GET", MODELS + path)
            tag = first.headers["etag"]
            for known in (tag, f'"other", W/{tag}', "*"):
                again = client.request("GET", MODELS + path, If_None_Match=known)
                assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
                assert "content-type" not in again.headers
            assert client.request("GET", MODELS + path, If_None_Match='"other"').body == first.body
            alone = client.request("HEAD", MODELS + path)
            assert (alone.body, alone.headers["content-length"]) == (b"", str(len(first.body)))
    assert get(server, "/registers/embedding").headers["etag"] != get(server, "/fashion/embedding").headers["etag"]


def test_the_bundled_example_brings_photos(server: RunningServer) -> None:
    listed = get(server, "/fashion/samples").json["samples"]
    assert len(listed) == 8 and {"name": "ankle-boot-00000.png", "label": "ankle-boot"} in listed
    for sample in listed:
        found = get(server, f"/fashion/samples/{sample['name']}")
        assert (found.status, found.headers["content-type"]) == (200, "image/png")
        assert found.body == (ROOT / "examples/fashion/showcase" / sample["name"]).read_bytes()
        assert get(server, f"/fashion/1/samples/{sample['name']}").body == found.body
    assert get(server, "/registers/samples").json == {"samples": []}


@pytest.mark.parametrize(
    "name",
    [
        "none.png",
        "index.json",
        "..",
        "..%2f..%2fmanifest.json",
        "%2e%2e/manifest.json",
        "BAG-00018.png",
        "%00",
        "bag-00018",
    ],
)
def test_no_other_file_is_sent(server: RunningServer, name: str) -> None:
    found = get(server, f"/fashion/samples/{name}")
    assert (found.status, found.headers["content-type"]) in ((404, PROBLEM), (400, PROBLEM)), found.body


def test_models_and_versions_that_are_not_there(server: RunningServer) -> None:
    for path in ("embedding", "samples", "samples/a.png"):
        for model in ("none", "fashion/7"):
            found = get(server, f"/{model}/{path}")
            assert (found.status, found.json["code"]) == (404, "NOT_FOUND"), path
        assert get(server, f"/fashion/one/{path}").json["field"] == "version"
        assert get(server, f"/fashion/{path}?x=1").status == 400
        assert get(server, f"/fashion/{path}", "POST").headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_model_of_windows_has_class_maps_and_nothing_of_the_encoder(
    once: Once, calibration: Path, photo: bytes
) -> None:
    with RunningServer(exported("swin", once, calibration)[1].path.parents[1]) as server:
        assert "attention" not in get(server, "/swin").json["model"]["methods"]
        head, _ = split(get(server, "/swin/embedding").body)
        assert (head["kinds"], head["prefix"]) == (["relative"], [])
        assert "relative_bias" in head["arrays"] and not {"positions", "prefix_tokens"} & head["arrays"].keys()
        with Socket(server.http) as client:
            asked = client.request("POST", "/api/v1/classify?maps=true", photo, Content_Type="image/jpeg")
            assert [each["method"] for each in asked.json["maps"]] == ["cam"]
            for part in ("matrices", "updates", "token_norms"):
                found = client.request("POST", f"/api/v1/explain?parts={part}", photo, Content_Type="image/jpeg")
                assert (found.status, found.json["field"]) == (400, "model")
                assert (
                    "attends within windows of patches; accepted: a model with attention among" in found.json["detail"]
                )


def test_bundles_without_arrays_and_files_that_are_gone(models: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "models", "early", 1, tmp_path)  # knows the kernel alone
    none = write_bundle(tmp_path / "models", "none", 1, tmp_path)
    (none / "explain.npz").unlink()
    change_manifest(none, lambda manifest: manifest["files"].pop("explain.npz"))
    shutil.copytree(models / "fashion", tmp_path / "models" / "fashion")
    with RunningServer(tmp_path / "models", "--engine", "onnxruntime") as server:
        for name, found in (
            ("none", "none/1, whose bundle has no explain.npz"),
            ("early", "early/1/explain.npz: has no array 'patch_bias'"),
        ):
            reply = get(server, f"/{name}/embedding")
            assert (reply.status, reply.json["field"]) == (400, "model")
            accepted = "a model that was exported with it: export its checkpoint again"
            assert reply.json["detail"] == f"model: {found}; accepted: {accepted}"
        (tmp_path / "models/fashion/1/explain.npz").unlink()
        (tmp_path / "models/fashion/1/samples/bag-00018.png").write_bytes(b"other")
        for path in ("/fashion/embedding", "/fashion/samples/bag-00018.png"):
            gone = get(server, path)
            assert (gone.status, gone.json["code"]) == (503, "UNAVAILABLE")
            assert str(tmp_path) not in gone.json["detail"]
