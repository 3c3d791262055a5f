"""The options of a load, declared once for `vitscope loadtest` and for Locust's own command line and web page.

In the namespace, values stay numbers and text: Locust sends them to its workers and shows them on its page.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitscope.client.commands.arguments import number, whole
from vitscope.loadtest.scenarios import SCENARIOS

DEFAULT_SIZES = "640x480:6,1280x960:3,2000x1500:1"
DEFAULT_OBJECTIVES = Path(__file__).with_name("objectives.yml")
# Upper limits of whole numbers, and of seconds: what is larger is a typing error.
_MOST, _WEEK = 100_000, 604_800


class OptionError(Exception):
    """An option cannot be used. The message names it, what was found and what is accepted."""


@dataclass(frozen=True)
class Options:
    """A load.

    rate: arrivals per second of an open loop, or clients of a closed loop (then rate is 0). duration: seconds, of the
    time that counts. maps, stream: shares of the requests, 0 to 1. models: weight by name; "" is the only model of the
    server. sizes: weight by (width, height). deadline: of each request, in seconds. photos: a folder, or None for the
    photos of scikit-image.
    """

    scenario: str
    rate: int
    clients: int
    duration: float
    step: float
    maps: float
    map_layers: str
    stream: float
    models: dict[str, float]
    top_k: int
    photos: Path | None
    sizes: dict[tuple[int, int], float]
    deadline: float
    connections: int
    tls_roots: Path | None
    objectives: Path
    report: Path
    seed: int

    @property
    def load(self) -> int:
        """Requests per second, or clients."""
        return self.clients or self.rate

    @property
    def unit(self) -> str:
        return "clients" if self.clients else "requests/s"

    @classmethod
    def of(cls, found: Any) -> "Options":
        """Parse a namespace of `add_options`, which Locust's web page may have changed. Raises OptionError."""
        scenario = str(found.scenario)
        return cls(
            scenario=scenario,
            rate=0 if found.clients else found.rate,
            clients=found.clients,
            duration=found.duration or SCENARIOS[scenario].seconds,
            step=found.step,
            maps=found.maps,
            map_layers=str(found.map_layers),
            stream=found.stream,
            models=weights("--model", found.model) if found.model else {"": 1.0},
            top_k=found.top_k,
            photos=Path(found.photos) if found.photos else None,
            sizes={_size(text): weight for text, weight in weights("--sizes", found.sizes).items()},
            deadline=found.deadline,
            connections=found.connections,
            tls_roots=Path(found.tls_roots) if found.tls_roots else None,
            objectives=Path(found.objectives),
            report=Path(found.report),
            seed=found.seed,
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a load."""
    group = parser.add_argument_group("load")
    add = group.add_argument
    add(
        "--scenario",
        choices=list(SCENARIOS),
        default="constant",
        help="how the load goes over time (default: %(default)s)",
    )
    add(
        "--rate", type=whole(1, _MOST), default=50, metavar="N", help="Poisson arrivals a second (default: %(default)s)"
    )
    add(
        "--clients",
        type=whole(0, _MOST),
        default=0,
        metavar="N",
        help="instead: N callers who each wait for their last answer",
    )
    add(
        "--duration",
        type=number(least=0, most=_WEEK),
        default=0.0,
        metavar="SECONDS",
        help="of the whole run (default: by scenario)",
    )
    add(
        "--step",
        type=number(least=1, most=_WEEK),
        default=5.0,
        metavar="SECONDS",
        help="ramp: of each step that counts (default: %(default)g)",
    )
    add(
        "--deadline",
        type=number(least=0.001, most=_WEEK),
        default=1.0,
        metavar="SECONDS",
        help="of each request (default: %(default)g)",
    )
    add(
        "--maps",
        type=number(least=0, most=1),
        default=0.0,
        metavar="SHARE",
        help="of the requests that ask for an attention map, 0 to 1",
    )
    add(
        "--map-layers",
        choices=["last", "all"],
        default="last",
        help="whose attention they ask for (default: %(default)s)",
    )
    add(
        "--stream",
        type=number(least=0, most=1),
        default=0.0,
        metavar="SHARE",
        help="of the requests that go over ClassifyStream, 0 to 1",
    )
    add("--model", default="", metavar="NAME[:WEIGHT],...", help="models to ask (default: the only one on the server)")
    add("--top-k", type=whole(0, _MOST), default=0, metavar="N", help="classes to ask for (default: the server's, 5)")
    add(
        "--photos", default="", metavar="DIR", help="send the image files of a folder (default: photos of scikit-image)"
    )
    add("--sizes", default=DEFAULT_SIZES, metavar="WxH[:WEIGHT],...", help="of those photos (default: %(default)s)")
    add(
        "--connections",
        type=whole(1, _MOST),
        default=1,
        metavar="N",
        help="of each worker process (default: %(default)s)",
    )
    add("--tls-roots", default="", metavar="FILE", help="use TLS, trusting the root certificates in FILE (PEM)")
    add(
        "--objectives",
        default=str(DEFAULT_OBJECTIVES),
        metavar="FILE",
        help="bars to judge by (default: the bundled ones)",
    )
    add("--report", default="loadtest-report", metavar="DIR", help="where the report goes (default: ./%(default)s)")
    add("--seed", type=whole(0, _MOST), default=0, metavar="N", help="of arrivals and mix (default: %(default)s)")


def weights(option: str, text: str) -> dict[str, float]:
    """Return weights by name: {"a": 3.0, "b": 1.0} for "a:3,b". Raises OptionError."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            found[name] = float(weight or 1)
        except ValueError:
            found[name] = 0.0
        if not name or not 0 < found[name] < float("inf"):
            raise OptionError(
                f"{option}: {part.strip()!r} in {text!r}; accepted: NAME or NAME:WEIGHT, a weight above 0"
            )
    return found


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if width.isdecimal() and height.isdecimal() and 16 <= int(width) <= 8192 and 16 <= int(height) <= 8192:
        return int(width), int(height)
    raise OptionError(f"--sizes: {text!r}; accepted: WIDTHxHEIGHT in pixels, each from 16 to 8192")
