"""What the page computes by itself, in Node, against numpy and the server's own rollout."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitscope.server.maps.rollout import Fusion, RolloutOptions, rollout

TESTS = Path(__file__).parent / "js"
LAYERS, HEADS, PREFIX, ROWS, COLS = 4, 3, 2, 4, 5
FUSIONS: tuple[Fusion, ...] = ("mean", "max", "min")


def test_the_scripts_compute_what_the_server_does(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node: see requirements/dev.txt")
    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps(_expected()))
    files = sorted(TESTS.glob("*.test.mjs"))
    ran = subprocess.run(
        [node, "--test", *map(str, files)],
        env={**os.environ, "EXPECTED": str(expected)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout and "# skipped 0" in ran.stdout


def _expected() -> dict[str, Any]:
    """Return attention of a small model in float16, and what numpy makes of it."""
    count = PREFIX + ROWS * COLS
    logits = np.random.default_rng(0).normal(0, 2, (LAYERS, HEADS, count, count))
    powers = np.exp(logits)
    halves = (powers / powers.sum(-1, keepdims=True)).astype("<f2")
    matrices = halves.astype(np.float32)
    place = np.stack(np.meshgrid(np.arange(ROWS) * 8, np.arange(COLS) * 16, indexing="ij"), -1).reshape(-1, 2)
    away = np.linalg.norm(place[:, None] - place[None], axis=-1)
    patches = matrices[:, :, PREFIX:, PREFIX:]
    entropy = -(matrices * np.log2(np.maximum(matrices, 1e-30))).sum(-1).mean(-1)
    return {
        "layers": LAYERS,
        "heads": HEADS,
        "tokens": {"count": count, "first_patch": PREFIX, "rows": ROWS, "cols": COLS},
        "geometry": {"patch_width": 16, "patch_height": 8},
        "halves": halves.view(np.uint16).reshape(LAYERS, -1).tolist(),
        "entropies": entropy.tolist(),
        "distances": ((patches * away).sum(-1) / patches.sum(-1)).mean(-1).tolist(),
        "rollouts": [_rollout(matrices, fusion, number) for fusion in FUSIONS for number in range(4)],
    }


def _rollout(matrices: np.ndarray, fusion: Fusion, number: int) -> dict[str, Any]:
    # 0.35 of 20 patches are 7 in 64 bits, and 6 in 32, which a request has.
    discard = [0.0, 0.9, 0.5, 0.35][number]
    from_layer, token = [0, 0, 2, 3][number], [0, 7, 1, 21][number]
    options = RolloutOptions(fusion, float(np.float32(discard)), from_layer)
    row = rollout(matrices, [token], options, PREFIX)[0]
    return {"fusion": fusion, "discard": discard, "from": from_layer, "token": token, "row": row.tolist()}
