"""The options of an export."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vitscope.bundle import FP8, INT8, Activation, Variant
from vitscope.bundle.manifest import Name
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.errors import ExportError
from vitscope.export.methods import METHODS, Attention, Evidence, Method, Rollout


@dataclass(frozen=True)
class ExportJob:
    """What to export. Fields are the options of `vitscope export`.

    checkpoint: local folder or hub id. models: the folder that the server serves. version: None takes the next free
    one. base: folder or hub id of what an adapter is merged into; None takes what the adapter names. processor: folder
    or hub id of the image processor; None takes the checkpoint's. labels: file of class names, or `imagenet`; None
    takes those of config.json. architecture: of a checkpoint that is a file of weights. calibration: images for the
    certificate; None takes the checkpoint's own samples. size: input size in pixels; None takes the processor's.
    attention: add attention rows to the graphs. evidence: add the graph of class-specific evidence. full: add a graph
    of everything inside of the encoder. certificate: False publishes without comparing. allow_uncertified: publish
    although a reduced precision is below its bar; the server will not use it. int8, fp8: try to add these
    variants of the graphs. head: activation of the head; None takes the checkpoint's. samples: photos that the bundle
    brings; None takes those in the checkpoint's own `showcase`.
    """

    checkpoint: str
    models: Path
    name: str
    version: int | None = None
    base: str | None = None
    processor: str | None = None
    labels: str | None = None
    architecture: str | None = None
    calibration: Path | None = None
    size: Size | None = None
    attention: bool = True
    evidence: bool = True
    full: bool = True
    certificate: bool = True
    allow_uncertified: bool = False
    int8: bool = False
    fp8: bool = False
    head: Activation | None = None
    samples: Path | None = None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The explanation methods whose outputs the graphs get."""
        kinds = ((Attention, self.attention), (Evidence, self.evidence), (Rollout, self.full))
        unwanted = tuple(kind for kind, wanted in kinds if not wanted)
        return tuple(method for method in METHODS if not isinstance(method, unwanted))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants of the graphs that are asked for."""
        asked: dict[Variant, bool] = {INT8: self.int8, FP8: self.fp8}
        return tuple(variant for variant, wanted in asked.items() if wanted)

    def check(self) -> None:
        """Raise ExportError for an invalid name, or for variants without a certificate."""
        try:
            TypeAdapter(Name).validate_python(self.name)
        except ValidationError as error:
            raise ExportError(
                f"--name {self.name!r}: accepted are up to 63 lower-case letters, digits, dots, hyphens and "
                "underscores, starting with a letter or digit"
            ) from error
        if self.variants and not self.certificate:
            asked = self.variants[0]
            raise ExportError(
                f"--{asked}: accepted only with the certificate, since {asked} that nobody measured is not served"
            )
