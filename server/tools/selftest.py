"""`vitscope selftest`: build, check, run and measure an engine on the machine it is on, and print one table."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vitscope.bundle import ATTENTION, CLASSIFY, Bundle, BundleError, CertificateEntry, GraphName, Manifest, open_bundle
from vitscope.server.engines import onnxruntime
from vitscope.server.engines.choose import ENGINES, Choice, choice_of, means, objections, plain_form
from vitscope.server.engines.contract import Engine
from vitscope.server.engines.gate import bars_of, judge, made_up_images, through
from vitscope.server.engines.load import candidate_profiles, open_engine
from vitscope.server.engines.tensorrt.profiles import buckets
from vitscope.server.host.cpu import available_cpus
from vitscope.server.models.measure import Bench, measure
from vitscope.server.tools.images import HELP, UnusableImages, read_images
from vitscope.server.tools.limit import OPERATIONS, limit_bundle
from vitscope.tables import text_table

OK, FAILED, USAGE = 0, 1, 2
# Images to compare on where nobody gave any.
_MADE_UP = 32


@dataclass(frozen=True)
class Tested:
    """One engine and precision: what the gate says of each graph, seconds by batch size of the first, and floating-point
    operations per second in large matrix products. fused: layers whose attention is one kernel, where the engine can tell.
    failure: why it did not get so far."""

    choice: Choice
    entries: dict[GraphName, CertificateEntry]
    seconds: dict[int, float]
    limit: float | None
    fused: int | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        return f"{self.choice.engine}/{self.choice.precision}"

    @property
    def passed(self) -> bool:
        return not self.failure and all(entry.passed for entry in self.entries.values())


def main(argv: Sequence[str]) -> int:
    """0 when every engine that this machine can run, of those asked for, answers as the reference does; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="vitscope selftest", description=__doc__)
    parser.add_argument("bundle", type=Path, help="<models>/<name>/<version>")
    parser.add_argument("--engine", default="auto", choices=["auto", *ENGINES])
    parser.add_argument("--max-batch", type=int, default=16, metavar="N", help="largest batch (default: %(default)s)")
    parser.add_argument("--images", type=Path, metavar="DIR", help=HELP)
    arguments = parser.parse_args(argv)
    try:
        bundle = open_bundle(arguments.bundle)
        images = _images(arguments.images, bundle.manifest)
    except (BundleError, UnusableImages) as error:
        print(f"vitscope selftest: {error}", file=sys.stderr)
        return USAGE
    results = []
    for engine, precision, why in objections(bundle):
        if not means(arguments.engine, engine):
            continue
        if why is None:
            _say(f"{engine}/{precision}: building, comparing and measuring")
            results.append(_test(bundle, choice_of(bundle, engine, precision), arguments.max_batch, images))
        else:
            _say(f"{engine}/{precision}: not here: {why}")
    print(render(bundle.manifest, results))
    return OK if results and all(result.passed for result in results) else FAILED


def _images(folder: Path | None, manifest: Manifest) -> np.ndarray:
    return (
        read_images(folder, manifest)
        if folder
        else made_up_images(_MADE_UP, manifest.input.height, manifest.input.width)
    )


def _test(bundle: Bundle, choice: Choice, max_batch: int, images: np.ndarray) -> Tested:
    entries, seconds = dict[GraphName, CertificateEntry](), dict[int, float]()
    fused: int | None = None
    try:
        for graph in (name for name in (CLASSIFY, ATTENTION) if name in bundle.manifest.graphs):
            with _opened(bundle, graph, choice, max_batch) as engine:
                entries[graph] = _gate(engine, bundle, graph, images)
                seconds = seconds or _measured(engine)
                fused = getattr(engine, "fused_attention", None)
        return Tested(choice, entries, seconds, _limit(bundle.manifest, choice), fused)
    except Exception as error:  # whatever an engine raises: the other engines are still to be tested
        return Tested(choice, entries, seconds, None, failure=str(error) or type(error).__name__)


@contextmanager
def _opened(bundle: Bundle, graph: GraphName, choice: Choice, max_batch: int) -> Iterator[Engine]:
    profile = candidate_profiles(choice.engine, available_cpus())[0]
    engine = open_engine(bundle, graph, choice, [profile], max_batch)
    try:
        yield engine
    finally:
        engine.close()


def _gate(engine: Engine, bundle: Bundle, graph: GraphName, images: np.ndarray) -> CertificateEntry:
    profile = candidate_profiles(onnxruntime.NAME, available_cpus())[0]
    reference = onnxruntime.OnnxRuntimeEngine(bundle.graph_path(graph), [profile], engine.max_batch)
    try:
        run, reference_run = through(engine.slot()), through(reference.slot())
        bars = bars_of(engine.identity.precision)
        return judge(run, reference_run, images, buckets(engine.max_batch), engine.identity, bars)
    finally:
        reference.close()


def _measured(engine: Engine) -> dict[int, float]:
    bench = Bench(engine)
    measure([bench])
    return bench.seconds


def _limit(like: Manifest, choice: Choice) -> float | None:
    """Operations per second in large matrix products; None for 8 bits, whose graphs are made by quantising a model."""
    if choice.precision in ("int8", "fp8") or find_spec("onnx") is None:
        return None
    plain = replace(choice, engine=plain_form(choice.engine))  # there is no attention to fuse
    with TemporaryDirectory() as folder, _opened(limit_bundle(Path(folder), like), CLASSIFY, plain, 16) as engine:
        return max(OPERATIONS * size / seconds for size, seconds in _measured(engine).items())


def arithmetic(manifest: Manifest) -> float:
    """Floating-point operations of one image through the encoder and the patch embedding, two for each multiplication with its
    addition. Assumes the usual feed-forward width of four times the model's."""
    tokens, width = manifest.tokens.prefix + manifest.tokens.patches, manifest.width
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    embedding = manifest.tokens.patches * manifest.tokens.patch_height * manifest.tokens.patch_width * 3 * width
    return 2.0 * (manifest.layers * block + embedding)


def render(manifest: Manifest, results: Sequence[Tested]) -> str:
    """The tables: a row for each engine and batch size, then what the gate found."""
    operations = arithmetic(manifest)
    rates = [
        (
            result.name,
            f"{size}",
            f"{seconds * 1000:.2f}",
            f"{size / seconds:,.1f}",
            f"{size / seconds * operations / 1e9:,.0f}",
            f"{size / seconds * operations / result.limit:.0%}" if result.limit else "–",
        )
        for result in results
        for size, seconds in result.seconds.items()
    ]
    gates = [
        (
            result.name,
            graph,
            f"{entry.top1_agreement:.1%}",
            "–" if entry.max_logit_error is None else f"{entry.max_logit_error:.1e}",
            "–" if entry.min_attention_cosine is None else f"{entry.min_attention_cosine:.5f}",
            "passed" if entry.passed else "; ".join(entry.shortfalls),
        )
        for result in results
        for graph, entry in result.entries.items()
    ]
    fused = [
        f"{result.name}: attention is one kernel in {result.fused} of {manifest.layers} layers"
        for result in results
        if result.fused is not None
    ]
    failures = [f"{result.name} FAILED: {result.failure}" for result in results if result.failure]
    return "\n\n".join(
        [
            f"{manifest.name}/{manifest.version}: {operations / 1e9:.2f} GFLOP per image. Limit: what the same engine makes of large "
            "matrix products.",
            text_table(("engine", "batch", "ms", "images/s", "GFLOP/s", "of the limit"), rates),
            text_table(("engine", "graph", "top-1", "logits ±", "cosine ≥", "against onnxruntime/f32"), gates),
            *fused,
            *failures,
        ]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
