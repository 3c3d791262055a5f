"""The certificate's rows of the server's pixels: what the whole way from an image file to the logits changes."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from vitscope.bundle import Certificate, InputContract, Parity, PixelEntry, Scale, TokenGeometry
from vitscope.export.certificate.bars import pixel_bars
from vitscope.export.certificate.engines import Run, candidates
from vitscope.export.certificate.reference import Reference
from vitscope.export.errors import ExportError
from vitscope.export.progress import Reporter

TOOL = "vitscope.server.tools.pixels"
MOST = 128  # images; with 99 % as the bar, one may differ
BATCH = 8


def certify_pixels(
    certificate: Certificate,
    classify: Path,
    contract: InputContract,
    tokens: TokenGeometry,
    reference: Reference,
    files: Sequence[Path],
    reporter: Reporter,
) -> Certificate:
    """Add the rows of the server's pixels, through the `classify` graph in ONNX Runtime and float32.

    files: of the images in `reference`, in the same order. Where the server's code cannot run, the certificate says so.
    Raises ExportError if `exact` is below its bar: every answer would be of other pixels than the certified ones.
    """
    chosen = np.linspace(0, len(files) - 1, min(len(files), MOST)).round().astype(int)
    with reporter.stage(f"preparing {len(chosen)} images as the server does"):
        served = prepare_as_served(contract, tokens, [files[index] for index in chosen])
    if isinstance(served, str):
        reasons = {f"pixels/{decoding}": served for decoding in ("exact", "scaled")}
        return certificate.model_copy(update={"not_measured": {**certificate.not_measured, **reasons}})
    run, scale = candidates()[0].load(classify), reference.scale
    with reporter.stage("comparing the server's pixels with the processor's"):
        own = served["own"]
        found = {name: _logits(run, served[name]) for name in ("exact", "long", "short")}
        rows = []
        if len(own):
            rows.append(_row("exact", found["exact"], reference.logits[chosen][own], scale, served))
        if len(found["long"]):
            rows.append(_row("scaled", found["short"], found["long"], scale, served))
    if refused := len(chosen) - len(own):
        reporter.warn(f"--calibration: the server's default limits refuse {refused} of {len(chosen)} of these images")
    for row in rows:
        if row.decoding == "exact" and not row.passed:
            apart = np.abs(found["exact"] - reference.logits[chosen][own]).max(axis=1)
            worst = [files[chosen[own[index]]].name for index in np.argsort(-np.nan_to_num(apart, nan=np.inf))[:3]]
            raise ExportError(
                "the server reads these images differently from the checkpoint's processor, so nothing was published: "
                f"{', '.join(row.shortfalls)}; most in {', '.join(worst)} (accepted: --calibration with images that "
                "both read alike, or --no-certificate)"
            )
    return certificate.model_copy(update={"pixels": tuple(rows)})


def prepare_as_served(
    contract: InputContract, tokens: TokenGeometry, files: Sequence[Path]
) -> dict[str, np.ndarray] | str:
    """Return the arrays of `vitscope.server.tools.pixels`, or why they cannot be had.

    It runs in a process of its own: code of the server is not loaded beside torch.
    """
    asked = {
        "input": contract.model_dump(mode="json"),
        "tokens": tokens.model_dump(mode="json"),
        "files": [str(path.absolute()) for path in files],
    }
    with TemporaryDirectory() as folder:
        out = Path(folder) / "pixels.npz"
        command = (sys.executable, "-m", TOOL, str(out))
        ended = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
        if ended.returncode:
            reason = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            return f"the server's image code does not run where it was exported ({reason})"
        with np.load(out, allow_pickle=False) as arrays:
            return dict(arrays)


def _logits(run: Run, pixels: np.ndarray) -> np.ndarray:
    parts = [run(pixels[start : start + BATCH])["logits"] for start in range(0, len(pixels), BATCH)]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _row(
    decoding: Literal["exact", "scaled"],
    found: np.ndarray,
    expected: np.ndarray,
    scale: Scale,
    served: dict[str, np.ndarray],
) -> PixelEntry:
    parity = Parity(scale, pixel_bars(scale.activation))
    non_finite = int(np.count_nonzero(~np.isfinite(found)))
    parity.add(np.nan_to_num(found), expected)
    shortfalls = [f"{non_finite} logits are NaN or infinite, none is accepted"] if non_finite else []
    return PixelEntry(
        decoding=decoding,
        images=len(found),
        enlarged=int(served["enlarged"]) if decoding == "scaled" else 0,
        simd=bool(served["simd"]),
        agreement=parity.agreement,
        max_logit_error=parity.worst,
        mean_logit_error=parity.mean,
        logit_spread=parity.spread,
        max_probability_error=parity.probability,
        shortfalls=(*shortfalls, *parity.shortfalls()),
    )
