"""`vitscope selftest`: build, check, run and measure an engine on the machine it is on, and print one table."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vitscope.bundle import (
    AGREEMENT,
    ATTENTION,
    CLASSIFY,
    EVIDENCE,
    FULL,
    Bundle,
    BundleError,
    CertificateEntry,
    GraphName,
    Manifest,
    open_bundle,
)
from vitscope.help import Help
from vitscope.server.engines.choose import Choice, Wanted, choice_of, objections
from vitscope.server.engines.contract import Engine, status_of
from vitscope.server.engines.gate import compare, made_up_images
from vitscope.server.engines.ladder import ENGINES, kind_named
from vitscope.server.engines.load import open_engine
from vitscope.server.host.cpu import available_cpus
from vitscope.server.models.measure import Bench, measure
from vitscope.server.tools.images import HELP, UnusableImages, read_images
from vitscope.server.tools.limit import OPERATIONS, limit_bundle
from vitscope.tables import terminal_width, text_table

OK, FAILED, USAGE = 0, 1, 2


@dataclass
class Tested:
    """The results of one engine and precision, as far as it got.

    entries: the gate's comparison of each graph. seconds: by batch size, of the first graph. limit: floating-point
    operations per second in large matrix products. fused: layers whose attention is one kernel, where the engine
    reports it. failure: why there is no more.
    """

    choice: Choice
    entries: dict[GraphName, CertificateEntry] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    limit: float | None = None
    fused: int | None = None
    failure: str = ""

    @property
    def passed(self) -> bool:
        return not self.failure and all(entry.passed for entry in self.entries.values())


def main(argv: Sequence[str]) -> int:
    """Return 0 when every engine that was asked for and can run here agrees with the reference, otherwise 1."""
    parser = argparse.ArgumentParser(prog="vitscope selftest", description=__doc__, formatter_class=Help)
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
    results, wanted = [], Wanted(arguments.engine, "auto", allow_uncertified=True)
    for rung, why in objections(bundle):
        if not wanted.accepts(rung.kind):
            continue
        if why is None:
            _report(f"{rung}: building, comparing and measuring")
            results.append(_test(bundle, choice_of(bundle, rung), arguments.max_batch, images))
        else:
            _report(f"{rung}: not here: {why}")
    print(render(bundle.manifest, results))
    return OK if results and all(result.passed for result in results) else FAILED


def _images(folder: Path | None, manifest: Manifest) -> np.ndarray:
    return read_images(folder, manifest) if folder else made_up_images(manifest.input.height, manifest.input.width)


def _test(bundle: Bundle, choice: Choice, max_batch: int, images: np.ndarray) -> Tested:
    result = Tested(choice)
    try:
        for graph in (name for name in (CLASSIFY, ATTENTION, EVIDENCE, FULL) if name in bundle.manifest.graphs):
            with _opened(bundle, graph, choice, max_batch) as engine:
                result.entries[graph] = compare(engine, engine.slot(), bundle, graph, images)
                result.seconds = result.seconds or _measured(engine)
                result.fused = status_of(engine).fused_attention
        result.limit = _limit(bundle.manifest, choice)
    except Exception as error:  # whatever an engine raises: the other engines are still to be tested
        result.failure = str(error) or type(error).__name__
    return result


@contextmanager
def _opened(bundle: Bundle, graph: GraphName, choice: Choice, max_batch: int) -> Iterator[Engine]:
    profile = choice.kind.profiles(available_cpus())[0]
    engine = open_engine(bundle, graph, choice, [profile], max_batch)
    try:
        yield engine
    finally:
        engine.close()


def _measured(engine: Engine) -> dict[int, float]:
    bench = Bench(engine)
    measure([bench])
    return bench.seconds


def _limit(like: Manifest, choice: Choice) -> float | None:
    """Measure operations per second in large matrix products; None for 8 bits, which need a quantised model."""
    if choice.precision in ("int8", "fp8") or find_spec("onnx") is None:
        return None
    plain = replace(choice, kind=kind_named(choice.kind.plain_form))  # there is no attention to fuse
    with TemporaryDirectory() as folder, _opened(limit_bundle(Path(folder), like), CLASSIFY, plain, 16) as engine:
        return max(OPERATIONS * size / seconds for size, seconds in _measured(engine).items())


def arithmetic(manifest: Manifest) -> float:
    """Compute the floating-point operations of one image: encoder and patch embedding, two for each multiply-add.

    Assumes the usual feed-forward width of four times the model's.
    """
    tokens, width = manifest.tokens.prefix + manifest.tokens.patches, manifest.width
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    embedding = manifest.tokens.patches * manifest.tokens.patch_height * manifest.tokens.patch_width * 3 * width
    return 2.0 * (manifest.layers * block + embedding)


def render(manifest: Manifest, results: Sequence[Tested]) -> str:
    """Format the results: a table with a row for each engine and batch size, then one of the gate's comparisons."""
    operations, same = arithmetic(manifest), AGREEMENT[manifest.activation]
    rates = [
        (
            str(result.choice),
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
            str(result.choice),
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
        f"{result.choice}: attention is one kernel in {result.fused} of {manifest.layers} layers"
        for result in results
        if result.fused is not None
    ]
    failures = [f"{result.choice} FAILED: {result.failure}" for result in results if result.failure]
    return "\n\n".join(
        [
            f"{manifest.name}/{manifest.version}: {operations / 1e9:.2f} GFLOP per image. "
            "Limit: what the same engine makes of large matrix products.",
            text_table(("engine", "batch", "ms", "images/s", "GFLOP/s", "of the limit"), rates, terminal_width()),
            text_table(
                ("engine", "graph", same, "logits ±", "cosine ≥", "against onnxruntime/f32"), gates, terminal_width()
            ),
            *fused,
            *failures,
        ]
    )


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
