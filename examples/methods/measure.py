"""Figures of one method on one model: removal, mosaics, masks, time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from examples.methods.forward import Maps, attention, chance, evidence, evidence_rollout, rollout
from examples.methods.layers import all_layers
from examples.methods.subject import Subject
from examples.scenes.masks import energy, overlap
from vitscope.bundle import Interval
from vitscope.export.faithfulness import FILLS, curves, filled, interval, mosaics, pointing

BATCH = 8
OURS: Mapping[str, Maps] = {
    "random": chance,
    "attention": attention,
    "rollout": rollout,
    "evidence (V3)": evidence("evidence"),
    "evidence, gradient (V2)": evidence("evidence_gradient"),
    "evidence, direct (V1)": evidence("evidence_direct"),
    "evidence through rollout": evidence_rollout,
    "evidence of all layers": all_layers,
}


def methods() -> Mapping[str, Maps]:
    """Return all methods by name. Raises ModuleNotFoundError without captum."""
    from examples.methods.gradient import chefer, grad_cam, integrated_gradients, legrad

    theirs: Mapping[str, Maps] = {
        "Grad-CAM": grad_cam, "integrated gradients": integrated_gradients, "Chefer et al.": chefer, "LeGrad": legrad,
    }  # fmt: skip
    return {**OURS, **theirs}


@dataclass(frozen=True)
class Material:
    """What is measured on. images: uint8 [N, H, W, 3], of which the first `removed` have patches taken away. classes:
    the answers. masks: bool [N, H, W], of what decides the class; None where nobody knows."""

    images: np.ndarray
    classes: np.ndarray
    masks: np.ndarray | None
    removed: int
    mosaics: int = 24


@dataclass
class Figures:
    """The figures of a method, by name. milliseconds: processor time of one map, the median over batches."""

    intervals: dict[str, Interval] = field(default_factory=dict)
    milliseconds: float = 0.0


def measure(subject: Subject, method: Maps, material: Material) -> Figures:
    """Measure one method."""
    found, images, classes = Figures(), material.images, material.classes
    maps, found.milliseconds = _timed(subject, method, images, classes)
    some = slice(material.removed)
    for fill in FILLS:
        curve = curves(
            subject.score, images[some], filled(images[some], fill, *subject.grid), classes[some], maps[some]
        )
        found.intervals[f"SRG, {fill}"] = interval(curve.gain)
        found.intervals[f"insertion, {fill}"] = interval(curve.insertion)
        found.intervals[f"deletion, {fill}"] = interval(curve.deletion)
    made = mosaics(images, classes, *subject.grid, material.mosaics)
    if len(made.pixels):
        by_cell = [_timed(subject, method, made.pixels, made.classes[:, cell])[0] for cell in range(4)]
        found.intervals["GridPG"] = interval(pointing(np.stack(by_cell, axis=1)))
    if material.masks is not None:
        found.intervals["energy"] = interval(energy(maps, material.masks))
        found.intervals["IoU"] = interval(overlap(maps, material.masks))
    return found


def _timed(subject: Subject, method: Maps, images: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return maps [N, rows, cols], and the processor time of one in ms."""
    parts, spent = [], []
    for at in range(0, len(images), BATCH):
        began = time.process_time()
        parts.append(np.asarray(method(subject, images[at : at + BATCH], classes[at : at + BATCH])))
        spent.append((time.process_time() - began) / len(parts[-1]))
    return np.concatenate(parts).reshape(-1, *subject.grid), 1000 * float(np.median(spent))
