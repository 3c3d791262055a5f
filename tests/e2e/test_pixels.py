"""Each model gets the pixels that its own certificate covers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from tests.bundle.copies import copy_bundle
from tests.conftest import jpeg
from tests.e2e.harness import RunningServer
from vitscope import Client
from vitscope.bundle import Certificate, Manifest
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.reader import CERTIFICATE, CHECKSUM, MANIFEST, checksum_line


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of the bundled example, as exported and with a certificate as an earlier vitscope wrote it."""
    folder = tmp_path_factory.mktemp("pixels")
    copy_bundle(models / "fashion" / "1", folder / "new" / "1")
    copy_bundle(models / "fashion" / "1", folder / "old" / "1")
    path = folder / "old" / "1"
    certificate = Certificate.model_validate_json((path / CERTIFICATE).read_bytes())
    (path / CERTIFICATE).write_text(certificate.model_dump_json(exclude={"pixels"}))
    manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    files = {**manifest.files, CERTIFICATE: sha256_of(path / CERTIFICATE)}
    (path / MANIFEST).write_text(manifest.model_copy(update={"files": files}).model_dump_json())
    (path / CHECKSUM).write_bytes(checksum_line(path / MANIFEST))
    with RunningServer(folder, "--precision", "f32") as running:
        yield running


def test_pixels_are_scaled_only_where_that_is_certified(server: RunningServer, models: Path) -> None:
    photo = jpeg(skimage.data.coffee())
    with (
        Client(server.address) as client,
        RunningServer(models, "--precision", "f32", "--image-decoding", "exact") as plain,
    ):
        new, old = client.get_model("new"), client.get_model("old")
        assert new.decoding.decoding == "scaled" and "certificate covers it" in new.decoding.reason
        assert [entry.decoding for entry in new.decoding.certificate] == ["exact", "scaled"]
        assert all(entry.passed and entry.agreement == 1 for entry in new.decoding.certificate)
        scaled = new.decoding.certificate[1]
        assert (scaled.images, scaled.enlarged) == (24, 24), "the example's own images are too small to be scaled"
        assert 1e-4 < scaled.mean_logit_error < scaled.max_logit_error < 0.1 * scaled.logit_spread
        assert old.decoding.decoding == "exact" and "does not cover scaled pixels" in old.decoding.reason
        found = {name: client.classify(photo, model=name, top_k=10) for name in ("new", "old")}
        with Client(plain.address) as exact:
            expected = exact.classify(photo, model="fashion", top_k=10)
    logits = {name: np.array([one.logit for one in result.classes]) for name, result in found.items()}
    exact_logits = np.array([one.logit for one in expected.classes])
    assert logits["old"] == pytest.approx(exact_logits, abs=1e-5)
    assert 1e-4 < np.abs(logits["new"] - exact_logits).max() < 0.2
