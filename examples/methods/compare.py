"""All methods on one model."""

import sys
from dataclasses import replace

import numpy as np

from examples.methods.measure import Figures, Material, measure, methods
from examples.methods.subject import Subject
from examples.methods.table import table
from vitscope.export.certificate.faithful import sure_from

NAMES = [f"{what}, {fill}" for what in ("SRG", "insertion", "deletion") for fill in ("patch_mean", "mean_colour")]
NAMES.append("GridPG")


def compare(subject: Subject, material: Material, names: list[str]) -> str:
    """Measure all methods on the images that the model is sure of, and return the table. Classes are its answers."""
    shares = subject.probabilities(material.images)
    sure = np.flatnonzero(shares.max(axis=1) >= sure_from(shares.shape[1], subject.bundle.manifest.activation))
    # The first of them have patches taken away: they are to be of all classes.
    sure = np.random.default_rng(0).permutation(sure)
    masks = None if material.masks is None else material.masks[sure]
    material = replace(material, images=material.images[sure], classes=shares.argmax(axis=1)[sure], masks=masks)
    found = dict[str, Figures]()
    for name, method in methods().items():
        print(f"{name}: {len(sure)} images", file=sys.stderr, flush=True)
        found[name] = measure(subject, method, material)
    return table(found, names)
