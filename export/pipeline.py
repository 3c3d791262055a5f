"""One export from start to end: load, compare, trace, check, publish."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx_ir as ir
from pydantic import TypeAdapter, ValidationError

from vitscope.bundle import (
    FP8,
    INT8,
    Bundle,
    BundleWriter,
    Certificate,
    Graph,
    GraphName,
    InputContract,
    Manifest,
    Provenance,
    TokenGeometry,
    Variant,
    open_bundle,
)
from vitscope.bundle.manifest import Name
from vitscope.export.certify import certify, require
from vitscope.export.certify_int8 import Source
from vitscope.export.checkpoint import Checkpoint, load_checkpoint
from vitscope.export.errors import ExportError
from vitscope.export.explain import explain_arrays
from vitscope.export.graph import PixelClassifier, cut, describe_graphs, side_branches, trace
from vitscope.export.images import ImageSet, check_images, find_images, read_image
from vitscope.export.lint import lint
from vitscope.export.positions import check_multiple, freeze_positions, grid, patch_size
from vitscope.export.preprocess import Size, fit_to, input_contract, output_size, prepare
from vitscope.export.progress import Reporter, Silent
from vitscope.export.reference import Reference, run_reference
from vitscope.export.variants import add_variants
from vitscope.export.weights import write_graphs

WEIGHTS = "weights.bin"
TOOLS = ("torch", "transformers", "onnx", "onnxscript", "openvino", "onnxruntime")


@dataclass(frozen=True)
class ExportJob:
    """What to export. Fields are the options of `vitscope export`.

    checkpoint: local folder or hub id. models: the folder that the server serves. version: None takes the next free one.
    calibration: images for the certificate; None takes the checkpoint's own samples. size: input size in pixels; None
    takes the processor's. attention: maps in the graphs. certificate: False publishes without comparing.
    allow_uncertified: publish although a reduced precision falls short; the server will not use it. int8, fp8: try to add
    graphs in these forms.
    """

    checkpoint: str
    models: Path
    name: str
    version: int | None = None
    calibration: Path | None = None
    size: Size | None = None
    attention: bool = True
    certificate: bool = True
    allow_uncertified: bool = False
    int8: bool = False
    fp8: bool = False

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The forms of the graphs that are asked for beside their own."""
        asked: dict[Variant, bool] = {INT8: self.int8, FP8: self.fp8}
        return tuple(variant for variant, wanted in asked.items() if wanted)


def export_checkpoint(job: ExportJob, reporter: Reporter | None = None) -> tuple[Bundle, ImageSet | None]:
    """Export a checkpoint. Returns the published, verified bundle and the images that its certificate was made on.

    A failure publishes nothing and leaves nothing behind.

    Raises ExportError (the checkpoint, the images or a bar), BundleError (the destination) or OSError (it cannot be
    written).
    """
    reporter = reporter or Silent()
    _check_name(job.name)
    if job.variants and not job.certificate:
        asked = job.variants[0]
        raise ExportError(
            f"--{asked}: accepted only with the certificate, since {asked} that nobody measured is not served"
        )
    writer = BundleWriter(job.models, job.name, job.version)
    with writer:  # first, so that a destination that cannot be written is known before anything that takes long
        with reporter.stage("loading the checkpoint"):
            checkpoint = load_checkpoint(job.checkpoint)
        path, images = _export(job, checkpoint, writer, reporter)
    return open_bundle(path), images


def _export(
    job: ExportJob, checkpoint: Checkpoint, writer: BundleWriter, reporter: Reporter
) -> tuple[Path, ImageSet | None]:
    if job.size:
        check_multiple(job.size, patch_size(checkpoint.model, checkpoint.family))
    processor = fit_to(checkpoint.processor, job.size) if job.size else checkpoint.processor
    contract, size = input_contract(processor), output_size(processor)
    tokens = _tokens(checkpoint, size)
    for label in checkpoint.repeated_labels:
        reporter.warn(
            f"CHECKPOINT: config.json gives several classes the label {label!r}; answers cannot tell them apart"
        )
    images = find_images(job.calibration, checkpoint.folder, job.variants) if job.certificate else None
    if images:
        files = sorted({*images.files, *images.ranges})
        check_images(reporter.track(files, f"reading {len(files)} images"))
    # The reference runs first, while the model is still the original; from then on its positions are frozen.
    reference = (
        run_reference(checkpoint, processor, size, images.files, tokens.prefix + tokens.patches, reporter)
        if images
        else None
    )
    freeze_positions(checkpoint.model, checkpoint.family, size)
    graphs, traced = _write_graphs(writer.path, job, checkpoint, contract, tokens, reporter)
    certificate = _certificate(writer.path, graphs, reference, images, reporter)
    require(certificate, job.allow_uncertified)
    if images and reference and job.variants:
        pixels = np.stack([prepare(processor, read_image(path))[0] for path in images.ranges])
        source = Source(traced, graphs, writer.path, pixels)
        certificate, graphs = add_variants(job.variants, certificate, source, reference, images, reporter)
        _lint(writer.path, job, checkpoint, contract, graphs, FP8)
    writer.save_explain(explain_arrays(checkpoint.model, checkpoint.family))
    writer.save_certificate(certificate)
    return writer.publish(_manifest(writer, job, checkpoint, contract, tokens, graphs)), images


def _lint(
    folder: Path,
    job: ExportJob,
    checkpoint: Checkpoint,
    contract: InputContract,
    graphs: dict[GraphName, Graph],
    variant: Variant | None = None,
) -> None:
    """Check the graphs' files, or those of a variant where they have it."""
    layers = checkpoint.model.config.num_hidden_layers
    for name, graph in graphs.items():
        file = graph.variants.get(variant) if variant else graph.file
        if file:
            lint(folder / file, graph, contract, layers + side_branches(name, layers, job.attention))


def _write_graphs(
    folder: Path,
    job: ExportJob,
    checkpoint: Checkpoint,
    contract: InputContract,
    tokens: TokenGeometry,
    reporter: Reporter,
) -> tuple[dict[GraphName, Graph], ir.Model]:
    """Trace, write and lint the graphs. Returns their entries in the manifest, and the model that they were cut from."""
    config = checkpoint.model.config
    graphs = describe_graphs(config, len(checkpoint.labels), tokens, job.attention)
    with reporter.stage(f"tracing to ONNX: {', '.join(graphs)}"):
        traced = trace(PixelClassifier(checkpoint.model, checkpoint.family, contract, job.attention), contract, graphs)
        parts = cut(traced, graphs)
        write_graphs({folder / graphs[name].file: parts[name] for name in graphs}, WEIGHTS)
    _lint(folder, job, checkpoint, contract, graphs)
    return graphs, traced


def _manifest(
    writer: BundleWriter,
    job: ExportJob,
    checkpoint: Checkpoint,
    contract: InputContract,
    tokens: TokenGeometry,
    graphs: dict[GraphName, Graph],
) -> Manifest:
    config = checkpoint.model.config
    return Manifest(
        name=job.name,
        version=writer.version,
        family=checkpoint.family.name,
        labels=checkpoint.labels,
        input=contract,
        tokens=tokens,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        width=config.hidden_size,
        graphs=graphs,
        provenance=Provenance(
            source=checkpoint.source,
            weights_sha256=checkpoint.weights_sha256,
            tools={tool: version(tool) for tool in (*TOOLS, *(["nncf"] if job.int8 else []))},
        ),
        files=writer.files(),
    )


def _certificate(
    path: Path,
    graphs: dict[GraphName, Graph],
    reference: Reference | None,
    images: ImageSet | None,
    reporter: Reporter,
) -> Certificate:
    if reference is None or images is None:
        return Certificate()
    return certify({name: path / graph.file for name, graph in graphs.items()}, reference, images.sha256, reporter)


def _tokens(checkpoint: Checkpoint, size: Size) -> TokenGeometry:
    model, family = checkpoint.model, checkpoint.family
    rows, cols = grid(model, family, size)
    patch = patch_size(model, family)
    return TokenGeometry(
        patch_height=patch.height,
        patch_width=patch.width,
        grid_rows=rows,
        grid_cols=cols,
        distillation_tokens=family.distillation_tokens,
        register_tokens=family.register_tokens(model),
        pooling=family.pooling,
    )


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ExportError(
            f"--name {name!r}: accepted are up to 63 lower-case letters, digits, dots, hyphens and underscores, "
            "starting with a letter or digit"
        ) from error
