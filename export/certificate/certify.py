"""The certificate: each engine and precision against the checkpoint, on real images."""

from collections.abc import Mapping
from pathlib import Path

from vitscope.bundle import EVIDENCE, FULL, Certificate, CertificateEntry, GraphName
from vitscope.export.certificate.differences import Differences
from vitscope.export.certificate.engines import Candidate, Run, candidates, processor_name
from vitscope.export.certificate.reference import Reference
from vitscope.export.errors import ExportError
from vitscope.export.progress import Reporter

BATCH = 8
_FULL_IMAGES = 8


def certify(
    graphs: Mapping[GraphName, Path], reference: Reference, images_sha256: str, reporter: Reporter
) -> Certificate:
    """Compare all graphs with the reference, on every engine and precision that this machine has."""
    entries, not_measured = [], {}
    for candidate in candidates():
        if candidate.missing:
            not_measured[candidate.key] = candidate.missing
        else:
            entries.append(measure(candidate, graphs, reference, reporter))
    return Certificate(
        images_sha256=images_sha256, processor=processor_name(), entries=tuple(entries), not_measured=not_measured
    )


def measure(
    candidate: Candidate, graphs: Mapping[GraphName, Path], reference: Reference, reporter: Reporter
) -> CertificateEntry:
    """Compare all graphs with the reference, on one engine and precision."""
    differences, images, runs = Differences(candidate, reference.scale), len(reference.pixels), dict[str, Run]()
    # The outputs of the graph `full` are large, and its logits are those of the same nodes: some images are enough.
    most = {EVIDENCE: 1, FULL: _FULL_IMAGES}
    steps = [(name, start) for name in graphs for start in range(0, min(images, most.get(name, images)), BATCH)]
    for name, start in reporter.track(steps, f"comparing {candidate.engine} {candidate.precision}"):
        if name not in runs:
            runs = {name: candidate.load(graphs[name])}  # one at a time: a large model is in memory once
        if name == EVIDENCE:
            differences.add_evidence(runs[name], reference)
            continue
        batch = reference[start : start + BATCH]
        differences.add(name, runs[name](batch.pixels), batch)
    return differences.entry(images)


def require(certificate: Certificate, allow_uncertified: bool) -> None:
    """Raise ExportError for entries below a bar. `allow_uncertified` accepts reduced precisions, never float32."""
    failed = [e for e in certificate.entries if not e.passed and not (allow_uncertified and e.precision != "f32")]
    if not failed:
        return
    details = "; ".join(f"{e.engine} {e.precision}: {', '.join(e.shortfalls)}" for e in failed)
    hint = "float32 must match: this checkpoint cannot be published"
    if all(e.precision != "f32" for e in failed):
        hint = "with --allow-uncertified it is published all the same, and the server will not use that precision"
    raise ExportError(
        f"the certificate fails on {failed[0].images} images, so nothing was published: {details} ({hint})"
    )
