"""Quantized variants of the graphs, each published only if it passes the certificate."""

from collections.abc import Callable

from vitscope.bundle import FP8, INT8, Certificate, Graph, GraphName, Variant
from vitscope.export.certificate.images import APART, ImageSet
from vitscope.export.certificate.reference import Reference
from vitscope.export.progress import Reporter
from vitscope.export.variants.form import Form, Source, variant_file
from vitscope.export.variants.fp8 import Fp8
from vitscope.export.variants.int8 import Int8
from vitscope.export.variants.search import find_variant

__all__ = ["FORMS", "Source", "add_variant", "add_variants"]

FORMS: dict[Variant, Callable[[Source, Certificate, Reporter], Form]] = {INT8: Int8, FP8: Fp8}


def add_variants(
    asked: tuple[Variant, ...],
    certificate: Certificate,
    source: Source,
    reference: Reference,
    images: ImageSet,
    reporter: Reporter,
) -> tuple[Certificate, dict[GraphName, Graph]]:
    """Add the variants that were asked for.

    Returns the certificate with all of them, and the graphs with those that passed.
    """
    passed: list[Variant] = []
    if not images.apart:
        reporter.warn(
            f"--{', --'.join(asked)}: ranges and certificate come from the same {images.found} images; from {APART} "
            "images on they are kept apart"
        )
    for variant in asked:
        certificate, objection = add_variant(variant, certificate, source, reference, reporter)
        if objection:
            reporter.warn(f"--{variant}: refused, the bundle is published without {variant} graphs: {objection}")
        else:
            passed.append(variant)
    graphs = {
        name: graph.model_copy(update={"variants": {variant: variant_file(graph, variant) for variant in passed}})
        for name, graph in source.graphs.items()
    }
    return certificate, graphs


def add_variant(
    variant: Variant, certificate: Certificate, source: Source, reference: Reference, reporter: Reporter
) -> tuple[Certificate, str]:
    """Measure one variant, or record why it was not measured. Its files are written only if it passed.

    Returns the certificate with it, and the reason not to publish it, or an empty string.
    """
    form = FORMS[variant](source, certificate, reporter)
    if form.why_not:
        not_measured = {**certificate.not_measured, form.candidate.key: form.why_not}
        return certificate.model_copy(update={"not_measured": not_measured}), form.why_not
    entry = find_variant(form, source, reference, reporter)
    return certificate.model_copy(update={"entries": (*certificate.entries, entry)}), "; ".join(entry.shortfalls)
