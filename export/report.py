"""The summary at the end of an export."""

import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitscope.bundle import FP8, INT8, Activation, Bundle, Certificate, CertificateEntry, Cosines, Manifest, PixelEntry
from vitscope.export.certificate.images import ImageSet
from vitscope.export.summary import evidence_summary

# What is compared beside the logits, by the activation of the head.
_AGREEMENTS: dict[Activation, tuple[str, ...]] = {
    "softmax": ("top-1 agreement",),
    "sigmoid": ("same labels", "probability error"),
    "none": (),
}


def show(console: Console, bundle: Bundle, models: Path, images: ImageSet | None) -> None:
    """Print the published bundle, how close it is to the checkpoint, and how to serve it."""
    for part in _summary(bundle, models, images):
        # Without line breaks in text, so that paths and commands can be copied.
        console.print(part, soft_wrap=isinstance(part, Text))


def _summary(bundle: Bundle, models: Path, images: ImageSet | None) -> list[Text | Table]:
    manifest = bundle.manifest
    parts: list[Text | Table] = [
        Text(f"\n{manifest.name} version {manifest.version}: {_shape(manifest)}", style="bold"),
        _graphs(bundle),
    ]
    if images is None:
        parts.append(Text("No certificate: the server will say so and use float32 only.", style="yellow"))
    else:
        parts += [_images(images, bundle.certificate), _certificate(bundle.certificate, manifest.activation)]
        if manifest.methods:
            parts += [Text("Cosines of maps with the checkpoint's own:"), _maps(bundle.certificate, manifest)]
        parts += evidence_summary(bundle.certificate)
        parts += [_pixels(entry, manifest.activation) for entry in bundle.certificate.pixels]
        missing = bundle.certificate.not_measured.items()
        parts += [Text(f"Not measured: {key}, {reason}.", style="yellow") for key, reason in missing]
        failed = [entry for entry in bundle.certificate.entries if not entry.passed]
        parts += [
            Text(f"Uncertified: {e.engine} {e.precision}, {', '.join(e.shortfalls)}. {_consequence(e)}", "yellow")
            for e in failed
        ]
        parts += [
            Text(f"Not in 8 bits, because it hurt most there: {', '.join(e.float_layers)}.")
            for e in bundle.certificate.entries
            if e.passed and e.float_layers
        ]
    parts.append(
        Text(f"\nThe bundle is in {bundle.path}. Serve it with:\n\n  vitscope serve {shlex.quote(str(models))}\n")
    )
    return parts


def _consequence(entry: CertificateEntry) -> str:
    if entry.precision in (INT8, FP8):
        return f"The bundle has no {entry.precision} graphs."
    return "The server will not use it."


def _shape(manifest: Manifest) -> str:
    tokens = manifest.tokens
    return (
        f"{manifest.family}, {len(manifest.labels)} label{'' if len(manifest.labels) == 1 else 's'} "
        f"({_head(manifest)}), input {manifest.input.height}x{manifest.input.width}, "
        f"{tokens.grid_rows}x{tokens.grid_cols} patches and {tokens.prefix} prefix token"
        f"{'' if tokens.prefix == 1 else 's'}, {manifest.layers} layers of {manifest.heads} heads"
    )


def _head(manifest: Manifest) -> str:
    if manifest.temperature == 1:
        return manifest.activation
    return f"{manifest.activation} of logits / {manifest.temperature:.4g}, its calibrated temperature"


def _graphs(bundle: Bundle) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("size", justify="right")
    table.add_column("outputs")
    outputs = {
        graph.file: ", ".join(f"{o.name} {list(o.shape)}".replace("'", "") for o in graph.outputs)
        for graph in bundle.manifest.graphs.values()
    }
    outputs |= {file: "the same" for graph in bundle.manifest.graphs.values() for file in graph.variants.values()}
    for name in sorted(n for n in bundle.manifest.files if n.startswith("graphs/")):
        size = (bundle.path / name).stat().st_size
        table.add_row(name, f"{size / 1e6:,.2f} MB", outputs.get(name, "weights of these graphs"))
    return table


def _images(images: ImageSet, certificate: Certificate) -> Text:
    found = next((entry.logit_spread for entry in certificate.entries if entry.logit_spread), None)
    spread = f"; its logits have a spread of {found:.2g}" if found else ""
    used = f"{len(images.files)} of {images.found}" if images.found > len(images.files) else f"all {images.found}"
    ranges = f"; 8-bit ranges come from {len(images.ranges)} others" if images.ranges and images.apart else ""
    return Text(
        f"\nCompared with the checkpoint in PyTorch float32 on {used} images of {images.folder}{ranges}{spread}:"
    )


def _certificate(certificate: Certificate, activation: Activation) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "precision"):
        table.add_column(title, no_wrap=True)
    for title in (*_AGREEMENTS[activation], "logit error", ""):
        table.add_column(title, justify="right", min_width=max(map(len, title.split()), default=4))
    for entry in certificate.entries:
        table.add_row(
            entry.engine,
            entry.precision,
            *_agreement(activation, entry.top1_agreement, entry.max_probability_error),
            "-" if entry.max_logit_error is None else f"{entry.max_logit_error:.1e}",
            "[green]pass" if entry.passed else "[red]fail",
        )
    return table


def _maps(certificate: Certificate, manifest: Manifest) -> Table:
    """Return a row for each method of each entry, so that any number of methods fits a narrow terminal."""
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "precision", "map"):
        table.add_column(title, no_wrap=True)
    for title in ("mean", "lowest"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in certificate.entries:
        for method in manifest.methods:
            table.add_row(entry.engine, entry.precision, method, *_cosines(entry.cosines.get(method)))
    return table


def _agreement(activation: Activation, share: float, probability: float | None) -> tuple[str, ...]:
    """Return the cells below the titles in `_AGREEMENTS`."""
    cells = (f"{share:.1%}", "-" if probability is None else f"{probability:.1e}")
    return cells[: len(_AGREEMENTS[activation])]


def _pixels(entry: PixelEntry, activation: Activation) -> Text:
    titles = _AGREEMENTS[activation]
    figures = [
        f"{title} {cell}"
        for title, cell in zip(
            titles, _agreement(activation, entry.agreement, entry.max_probability_error), strict=True
        )
    ]
    relative = f" of a spread of {entry.logit_spread:.2g}" if entry.logit_spread else ""
    figures.append(f"logits within {entry.max_logit_error:.1e}{relative}, {entry.mean_logit_error:.1e} on average")
    copies = f" ({entry.enlarged} of them enlarged)" if entry.enlarged else ""
    against = "the processor's own" if entry.decoding == "exact" else "exact ones"
    text = (
        f"The server's {entry.decoding} pixels against {against}, {entry.images} images{copies}: {', '.join(figures)}"
    )
    if entry.passed:
        return Text(f"{text}.")
    used = " The server will use exact ones." if entry.decoding == "scaled" else ""
    return Text(f"{text}; below the bar: {', '.join(entry.shortfalls)}.{used}", style="yellow")


def _cosines(found: Cosines | None) -> tuple[str, str]:
    return ("-", "-") if found is None else (f"{found.mean:.6f}", f"{found.lowest:.6f}")
