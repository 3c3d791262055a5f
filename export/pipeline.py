"""One export from start to end: load, compare, trace, check, publish."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx_ir as ir

from vitscope.bundle import (
    CLASSIFY,
    EVIDENCE,
    FLOATING,
    FP8,
    FULL,
    Bundle,
    BundleWriter,
    Certificate,
    Manifest,
    PositionKind,
    Provenance,
    Variant,
    open_bundle,
)
from vitscope.export.certificate.certify import certify, require
from vitscope.export.certificate.evidence import EvidenceReference
from vitscope.export.certificate.faithful import faithfulness_of
from vitscope.export.certificate.images import ImageSet, check_images, find_images, read_image
from vitscope.export.certificate.pixels import certify_pixels
from vitscope.export.certificate.reference import Reference, run_reference
from vitscope.export.checkpoint import Checkpoint, load_checkpoint
from vitscope.export.checkpoint.explain import explain_arrays, position_kinds
from vitscope.export.checkpoint.head import activation_of, check_head, temperature_of
from vitscope.export.checkpoint.pixels import check_contract, prepare
from vitscope.export.checkpoint.positions import check_multiple, token_geometry
from vitscope.export.checkpoint.preprocess import fit_to, input_contract, output_size
from vitscope.export.errors import ExportError
from vitscope.export.graph import PixelClassifier, cut, describe_graphs, output_bytes, softmaxes, trace, without
from vitscope.export.graph.lint import lint
from vitscope.export.graph.weights import write_graphs
from vitscope.export.job import ExportJob
from vitscope.export.methods import Evidence, Method, Rollout, Subject
from vitscope.export.progress import Reporter, Silent
from vitscope.export.samples import read_samples
from vitscope.export.tail import Gauge
from vitscope.export.variants import Source, add_variants

__all__ = ["ExportJob", "export_checkpoint"]

WEIGHTS = "weights.bin"
LARGEST_FULL = 2**30  # bytes of the outputs of the graph `full` for one image
TOOLS = ("torch", "transformers", "onnx", "onnxscript", "openvino", "onnxruntime")


def export_checkpoint(job: ExportJob, reporter: Reporter | None = None) -> tuple[Bundle, ImageSet | None]:
    """Export a checkpoint. Returns the published, verified bundle and the images of its certificate.

    A failure publishes nothing and leaves no files.

    Raises ExportError (the checkpoint, the images or a bar), BundleError (the destination) or OSError (it cannot be
    written).
    """
    reporter = reporter or Silent()
    job.check()
    # The writer comes first, so that a destination that cannot be written fails before the long stages.
    with BundleWriter(job.models, job.name, job.version) as writer:
        with reporter.stage("loading the checkpoint"):
            checkpoint = load_checkpoint(job.checkpoint, job.base, job.processor, job.labels, job.architecture)
        path, images = Export(job, checkpoint, writer, reporter).run()
    return open_bundle(path), images


class Export:
    """One export in progress: the values that its steps share.

    processor: the checkpoint's own, fitted to the size of the job. native: the size that the model had before. graphs:
    their entries in the manifest. activation, temperature: of the head.
    """

    def __init__(self, job: ExportJob, checkpoint: Checkpoint, writer: BundleWriter, reporter: Reporter) -> None:
        self.job, self.checkpoint, self.writer, self.reporter = job, checkpoint, writer, reporter
        model, family = checkpoint.model, checkpoint.family
        self.processor = checkpoint.processor
        if job.size:
            check_multiple(job.size, family.patch_size(model))
            self.processor = fit_to(self.processor, job.size)
        self.contract, self.size = input_contract(self.processor), output_size(self.processor)
        self.tokens, self.native = token_geometry(model, family, self.size), family.native_size(model)
        family.resize(model, self.size)
        check_contract(self.processor)
        self.activation = job.head or activation_of(model.config)
        check_head(self.activation, len(checkpoint.labels))
        self.temperature = temperature_of(checkpoint.folder, self.activation)
        self.sizes = family.sizes(model)
        self.subject = Subject(model, family, self.tokens, Gauge(self.activation, self.temperature))
        self.not_offered = {method.name: why for method in job.methods if (why := method.why_not(self.subject))}
        self._offer(job.methods)
        self.too_large = output_bytes(self.graphs[FULL]) if FULL in self.graphs else 0
        if self.too_large > LARGEST_FULL:
            self.not_offered[Rollout.name] = "its matrices would take more than 1 GiB for one image"
            self._offer(job.methods)

    def _offer(self, methods: Iterable[Method]) -> None:
        """Set the methods, and describe the graphs with them."""
        self.methods = tuple(method for method in methods if method.name not in self.not_offered)
        self.graphs = describe_graphs(self.sizes, len(self.checkpoint.labels), self.tokens, self.methods)

    def _fit_evidence(self, found: EvidenceReference) -> None:
        """Have the evidence graph integrate as finely as the reference needs, or leave it out."""
        if found.sanity.shortfalls:
            raise ExportError(f"{'; '.join(found.sanity.shortfalls)} (accepted: --no-evidence)")
        if found.why_not:
            self.reporter.warn(f"evidence is left out: {found.why_not}")
            self.not_offered[Evidence.name] = found.why_not
        fitted = Evidence(found.nodes)
        self._offer([fitted if isinstance(method, Evidence) else method for method in self.methods])

    def run(self) -> tuple[Path, ImageSet | None]:
        """Run all steps. Returns the path of the published bundle and the images of its certificate."""
        model, family = self.checkpoint.model, self.checkpoint.family
        for note in (*self.checkpoint.notes, *self._size_note(), *self._full_note()):
            self.reporter.warn(note)
        for label in self.checkpoint.repeated_labels:
            self.reporter.warn(
                f"CHECKPOINT: config.json gives several classes the label {label!r}; answers cannot tell them apart"
            )
        photos = read_samples(self.job.samples, self.checkpoint.folder, self.checkpoint.labels)
        images = self._images() if self.job.certificate else None
        # The reference runs before the positions are frozen, while the model is still the original.
        reference = self._reference(images) if images else None
        if reference and reference.evidence:
            self._fit_evidence(reference.evidence)
        family.freeze(model, self.size)
        traced = self._write_graphs()
        certificate = Certificate()
        if images and reference:
            certificate = self._certify(traced, images, reference)
        arrays = explain_arrays(model, family)
        self.writer.save_explain(arrays)
        self.writer.save_samples(photos)
        self.writer.save_certificate(certificate)
        return self.writer.publish(self._manifest(position_kinds(arrays))), images

    def _size_note(self) -> Iterable[str]:
        """Return a warning if the processor's size, which nobody asked for, is not that of the position table."""
        model, family = self.checkpoint.model, self.checkpoint.family
        native = self.native
        interpolates = family.options(model, self.size) or family.native_size(model) != native
        if not self.job.size and self.size != native and interpolates:
            yield (
                f"CHECKPOINT: its image processor makes {self.size}, and config.json says {native}: the position table "
                f"is interpolated, where transformers would refuse; --size {native} exports at the other size"
            )

    def _full_note(self) -> Iterable[str]:
        """Return a warning if the graph `full` is left out because a server could hardly hold its outputs."""
        if self.too_large > LARGEST_FULL:
            yield (
                "no graph of everything inside of the encoder: for one image it would give "
                f"{self.too_large / 2**30:.1f} GiB; accepted: up to {LARGEST_FULL // 2**30}, as with a smaller --size"
            )

    def _images(self) -> ImageSet:
        images = find_images(self.job.calibration, self.checkpoint.folder, self.job.variants)
        files = sorted({*images.files, *images.ranges})
        check_images(self.reporter.track(files, f"reading {len(files)} images"))
        return images

    def _reference(self, images: ImageSet) -> Reference:
        return run_reference(
            self.checkpoint,
            self.processor,
            images.files,
            self.methods,
            self.reporter,
            self.subject.gauge,
        )

    def _write_graphs(self) -> ir.Model:
        """Trace, write and lint the graphs. Returns the traced model that they were cut from."""
        with self.reporter.stage(f"tracing to ONNX: {', '.join(self.graphs)}"):
            model, family = self.checkpoint.model, self.checkpoint.family
            module = PixelClassifier(model, family, self.contract, self.tokens, self.methods, self.subject.gauge)
            traced = trace(module, self.contract, self.graphs)
            parts = cut(traced, self.graphs)
            write_graphs({self.writer.path / self.graphs[name].file: part for name, part in parts.items()}, WEIGHTS)
        self._lint()
        return traced

    def _lint(self, variant: Variant | None = None) -> None:
        """Check the graphs' files, or those of a variant if they have it."""
        for name, graph in self.graphs.items():
            file = graph.variants.get(variant) if variant else graph.file
            if file:
                expected = softmaxes(name, self.sizes, self.tokens, self.methods)
                lint(self.writer.path / file, graph, self.contract, expected)

    def _certify(self, traced: ir.Model, images: ImageSet, reference: Reference) -> Certificate:
        """Certify the graphs, and add the variants that pass to `graphs`. Raises ExportError for graphs below a bar."""
        paths = {name: self.writer.path / graph.file for name, graph in self.graphs.items()}
        certificate = certify(paths, reference, images.sha256, self.reporter)
        if reference.evidence and Evidence.name not in self.not_offered:
            certificate = certificate.model_copy(update={"evidence_sanity": reference.evidence.sanity})
        require(certificate, self.job.allow_uncertified)
        if EVIDENCE in paths and self.job.faithfulness:
            found = faithfulness_of(paths, self.tokens, reference, self.reporter)
            certificate = certificate.model_copy(update={"faithfulness": found})
        certificate = certify_pixels(
            certificate, paths[CLASSIFY], self.contract, self.tokens, reference, images.files, self.reporter
        )
        if self.job.variants:
            pixels = np.stack([prepare(self.processor, read_image(path))[0] for path in images.ranges])
            graphs = {name: graph for name, graph in self.graphs.items() if name not in FLOATING}
            source = Source(without(traced, FLOATING), graphs, self.writer.path, pixels)
            certificate, graphs = add_variants(self.job.variants, certificate, source, reference, images, self.reporter)
            self.graphs |= graphs
            self._lint(FP8)
        return certificate

    def _manifest(self, positions: tuple[PositionKind, ...]) -> Manifest:
        return Manifest(
            name=self.job.name,
            version=self.writer.version,
            family=self.checkpoint.family.name,
            labels=self.checkpoint.labels,
            input=self.contract,
            tokens=self.tokens,
            positions=positions,
            layers=self.sizes.layers,
            heads=self.sizes.heads,
            width=self.sizes.width,
            graphs=self.graphs,
            methods=tuple(method.name for method in self.methods),
            not_offered=self.not_offered,
            activation=self.activation,
            temperature=self.temperature,
            provenance=Provenance(
                source=self.checkpoint.source,
                weights_sha256=self.checkpoint.weights_sha256,
                processor=self.checkpoint.trained_with,
                tools={tool: version(tool) for tool in (*TOOLS, *(["nncf"] if self.job.int8 else []))},
            ),
            files=self.writer.files(),
        )
