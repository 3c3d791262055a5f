"""What the summary of an export says of evidence: how exact it is, and how faithful."""

from rich.table import Table
from rich.text import Text

from vitscope.bundle import Certificate, CertificateEntry, Faithfulness, Interval, Removal


def evidence_summary(certificate: Certificate) -> list[Text | Table]:
    """Return the figures of evidence in a certificate; nothing for one without evidence."""
    entries = [entry for entry in certificate.entries if entry.evidence]
    if not entries:
        return []
    title = Text(
        "Evidence against automatic differentiation, largest error (its account: of the spread of the logits):"
    )
    return [title, _errors(entries), *(_faithfulness(certificate.faithfulness) if certificate.faithfulness else [])]


def _errors(entries: list[CertificateEntry]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("engine", "precision"):
        table.add_column(heading, no_wrap=True)
    for heading in ("derivative", "integral", "account"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        found = entry.evidence
        assert found is not None
        errors = (found.gradient_error, found.integrated_error, found.completeness_error)
        table.add_row(entry.engine, entry.precision, *(f"{error:.1e}" for error in errors))
    return table


def _faithfulness(found: Faithfulness) -> list[Text]:
    lines = [Text(_removal(row, found.images)) for row in found.removals]
    if found.grid:
        lines.append(
            Text(f"GridPG of evidence, {found.mosaics} mosaics: {_interval(found.grid)}; of a map of no class 0.25.")
        )
    lines += [
        Text(f"Not measured: {_NAMES[what]} of evidence, {why}.", style="yellow")
        for what, why in found.not_measured.items()
    ]
    lines += [Text(f"Not shown: {text}.", style="yellow") for text in found.unproven]
    return lines


_NAMES = {"removals": "SRG", "grid": "GridPG"}


def _removal(row: Removal, images: int) -> str:
    against = f"; of attention {_interval(row.attention)}" if row.attention else ""
    fill = row.fill.replace("_", " ")
    return f"SRG of evidence, {images} images, patches become their {fill}: {_interval(row.evidence)}{against}."


def _interval(found: Interval) -> str:
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"
