"""The search for the blocks of a model that can be quantized: all, or all but those that hurt most, or none."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vitscope.bundle import ATTENTION, CLASSIFY, CertificateEntry
from vitscope.export.certificate.certify import BATCH, measure
from vitscope.export.certificate.engines import Run
from vitscope.export.certificate.reference import Reference
from vitscope.export.progress import Reporter
from vitscope.export.variants.form import Form, Source, variant_file, weights_file

# With fewer than half of the block halves in 8 bits, int8 is no faster than bf16 by any measurement. FP8 is 1.2 to
# 1.4 times float16 if it is in all of a ViT; with fewer than half of the blocks it is not worth its error.
LARGEST_FLOAT_SHARE = 0.5
RANKING_IMAGES = 32


def find_variant(form: Form, source: Source, reference: Reference, reporter: Reporter) -> CertificateEntry:
    """Write a variant of all graphs and compare it with the reference.

    Below a bar, the blocks that add most to the error go back to floating point: one, two, four and so on, up to half
    of all. Returns the last measurement. Unless it passed, no file is left.
    """
    paths = {name: source.folder / variant_file(graph, form.variant) for name, graph in source.graphs.items()}
    order: list[str] = []
    count = 0
    while True:
        floats = tuple(block for block in form.blocks if block in order[:count])
        without = f" without {count} of {len(form.blocks)} {form.unit}" if floats else ""
        with reporter.stage(f"quantizing to {form.variant}{without}"):
            form.write(paths, floats)
        entry = measure(form.candidate, paths, reference, reporter).model_copy(update={"float_layers": floats})
        if entry.passed:
            return entry
        count = max(1, 2 * count)
        if count > LARGEST_FLOAT_SHARE * len(form.blocks):
            for path in (*paths.values(), source.folder / "graphs" / weights_file(form.variant)):
                path.unlink()
            return entry
        order = order or rank(form, source, reporter)


def rank(form: Form, source: Source, reporter: Reporter) -> list[str]:
    """Sort the blocks by how close the outputs come to float32 without their rounding, closest first."""
    name = ATTENTION if ATTENTION in source.graphs else CLASSIFY
    images = source.images[:RANKING_IMAGES]
    exact = outputs_of(form.exact.load(source.folder / source.graphs[name].file), images)
    errors = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        for block in reporter.track(list(form.blocks), f"ranking what {form.variant} hurts"):
            form.write_without(name, path, block)
            errors[block] = distance(outputs_of(form.candidate.load(path), images), exact)
    return sorted(errors, key=errors.__getitem__)


def outputs_of(run: Run, images: np.ndarray) -> dict[str, np.ndarray]:
    """Run images in batches. Returns the outputs of all of them, by name."""
    batches = [run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def distance(found: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> float:
    """Sum the relative errors of the outputs, so that logits and maps count alike."""
    sizes = {name: max(float(np.linalg.norm(values)), 1e-30) for name, values in exact.items()}
    return sum(float(np.linalg.norm(found[name] - exact[name])) / size for name, size in sizes.items())
