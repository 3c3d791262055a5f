"""The forms that graphs are published in beside their own, each only if it passes the certificate."""

from vitscope.bundle import FP8, INT8, Certificate, Graph, GraphName, Variant
from vitscope.export.certify_fp8 import add_fp8, why_no_fp8
from vitscope.export.certify_int8 import Source, add_int8, variant_file, why_no_int8
from vitscope.export.images import APART, ImageSet
from vitscope.export.progress import Reporter
from vitscope.export.reference import Reference

VARIANTS = {INT8: (add_int8, why_no_int8), FP8: (add_fp8, why_no_fp8)}


def add_variants(
    asked: tuple[Variant, ...],
    certificate: Certificate,
    source: Source,
    reference: Reference,
    images: ImageSet,
    reporter: Reporter,
) -> tuple[Certificate, dict[GraphName, Graph]]:
    """The certificate with all variants that were asked for, and the graphs' entries in the manifest with those that passed."""
    passed: list[Variant] = []
    if not images.apart:
        reporter.warn(
            f"--{', --'.join(asked)}: ranges and certificate come from the same {images.found} images; from {APART} images on "
            "they are kept apart"
        )
    for variant in asked:
        add, why_not = VARIANTS[variant]
        certificate = add(certificate, source, reference, reporter)
        if objection := why_not(certificate):
            reporter.warn(f"--{variant}: refused, the bundle is published without {variant} graphs: {objection}")
        else:
            passed.append(variant)
    graphs = {
        name: graph.model_copy(update={"variants": {variant: variant_file(graph, variant) for variant in passed}})
        for name, graph in source.graphs.items()
    }
    return certificate, graphs
