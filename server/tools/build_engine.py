"""`vitscope build-engine`: compile, check and measure a bundle's engines now, so that a server starts at once later."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitscope.bundle import AGREEMENT, ATTENTION, CLASSIFY, EVIDENCE, FULL, Bundle, BundleError, open_bundle
from vitscope.help import Help
from vitscope.server.engines.choose import NoEngine, Wanted
from vitscope.server.engines.ladder import ENGINES, PRECISIONS
from vitscope.server.errors import NotReady
from vitscope.server.host.cpu import available_cpus
from vitscope.server.host.logs import configure_logging
from vitscope.server.models.loader import EngineSettings, Loader
from vitscope.server.tools.images import HELP, UnusableImages, read_images

OK, FAILED, USAGE = 0, 1, 2


def main(argv: Sequence[str]) -> int:
    """Return 0 when everything that a server would need for the bundle is in the cache."""
    parser = argparse.ArgumentParser(prog="vitscope build-engine", description=__doc__, formatter_class=Help)
    parser.add_argument("bundle", type=Path, help="<models>/<name>/<version>")
    parser.add_argument("--engine", default="auto", choices=["auto", *ENGINES])
    parser.add_argument("--precision", default="auto", choices=["auto", *sorted(PRECISIONS)])
    parser.add_argument("--max-batch", type=int, default=16, metavar="N", help="as the server's (default: %(default)s)")
    parser.add_argument("--engine-cache", type=Path, metavar="DIR", help="as the server's (default: in the bundle)")
    parser.add_argument("--images", type=Path, metavar="DIR", help=f"{HELP}; the server goes by what is found")
    arguments = parser.parse_args(argv)
    configure_logging("auto", "info")
    wanted = Wanted(arguments.engine, arguments.precision, allow_uncertified=False)
    settings = EngineSettings(wanted, available_cpus(), arguments.max_batch, arguments.engine_cache)
    try:
        bundle = open_bundle(arguments.bundle)
        images = read_images(arguments.images, bundle.manifest) if arguments.images else None
    except (BundleError, UnusableImages) as error:
        print(f"vitscope build-engine: {error}", file=sys.stderr)
        return USAGE
    try:
        _build(bundle, settings, images)
    except (NoEngine, NotReady, BundleError) as error:
        print(f"vitscope build-engine: {error}", file=sys.stderr)
        return FAILED
    return OK


def _build(bundle: Bundle, settings: EngineSettings, images: np.ndarray | None) -> None:
    loader = Loader(bundle, settings, stopping=lambda: False, images=images)
    for graph in (graph for graph in (CLASSIFY, ATTENTION, EVIDENCE, FULL) if graph in bundle.manifest.graphs):
        lane = loader.lane(graph)
        entry = loader.gates.get(graph)
        what = AGREEMENT[bundle.manifest.activation]
        checked = f"{what} {entry.top1_agreement:.1%} of {entry.images} images" if entry else loader.choice.reason
        identity = lane.engine.identity
        print(f"{lane.name}: {identity} on {identity.device}, batches to {lane.best_batch}: {checked}")
        lane.engine.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
