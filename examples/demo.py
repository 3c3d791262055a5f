"""The demo of `make demo`: from the bundled checkpoint to pictures of what the model looked at.

    python examples/demo.py MODELS/fashion

Starts the real server on free ports with the model that `make` has exported to MODELS/fashion (once, for `make serve`
too), classifies the samples over gRPC with attention overlays, prints the answers and where the pictures are, and stops
the server. Exit code 0 on success.
"""

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw

from vitscope import Client, Result
from vitscope.cli import main as vitscope
from vitscope.client.request import RenderingOptions

FASHION = Path("examples/fashion")
DEMO = Path("demo")
TILE = 224
SHOWN = 6


def main() -> int:
    exported = Path(sys.argv[1])
    shutil.rmtree(DEMO, ignore_errors=True)
    # A folder with this model alone: MODELS may have others.
    (DEMO / "models").mkdir(parents=True)
    (DEMO / "models" / "fashion").symlink_to(exported.resolve())
    heading("1. Export: checkpoint -> bundle, compared with PyTorch on real images")
    print(f"{exported}: exported by make, once; `vitscope export {FASHION} --name fashion --out {exported.parent}`")
    heading("2. Serve: bundle -> gRPC service")
    with running_server(DEMO / "models") as address:
        heading("3. Classify, with overlays of what the model looked at")
        samples = sorted((FASHION / "samples").glob("*.png"))
        first_of_each_label = {path.stem.rpartition("-")[0]: path for path in reversed(samples)}
        shown = [str(path) for path in list(first_of_each_label.values())[:SHOWN]]
        if code := vitscope(
            ["classify", *shown, "--server", address, "--top", "3", "--attention", str(DEMO / "overlays")]
        ):
            return code
        heading(f"4. All {len(samples)} samples over one stream")
        began = time.monotonic()
        with Client(address) as client:
            outcomes = client.classify_many(
                samples, attention="last", rendering=RenderingOptions(size=TILE, upsampling="bilinear")
            )
            results = {samples[index]: result for index, result in outcomes if isinstance(result, Result)}
        seconds = time.monotonic() - began
    if len(results) < len(samples):
        print(f"{len(samples) - len(results)} samples failed", file=sys.stderr)
        return 1
    right = sum(path.stem.rpartition("-")[0] == result.classes[0].label for path, result in results.items())
    print(f"{right} of {len(samples)} right, {len(samples) / seconds:.0f} images/s with an overlay drawn for each")
    contact_sheet([(path, results[path]) for path in list(first_of_each_label.values())], DEMO / "overlays.png")
    heading("Pictures")
    print(f"{DEMO / 'overlays.png'}: one sample of each label and what the model looked at")
    print(f"{DEMO / 'overlays'}/: the overlays of step 3")
    print("\n`make serve` keeps a server running; then: .venv/bin/vitscope classify --help")
    return 0


@contextmanager
def running_server(models: Path) -> Iterator[str]:
    """Run the real server in a process of its own, on free ports. Yields its gRPC address; stops it with TERM.

    Raises SystemExit when it does not start or does not stop cleanly.
    """
    command = [
        sys.executable,
        "-m",
        "vitscope.server",
        str(models),
        "--host",
        "127.0.0.1",
        "--grpc-port",
        "0",
        "--http-port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--drain-seconds", "0", "--log-format", "json"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            event = json.loads(line) if line.startswith("{") else {"event": line.strip()}
            if event["event"] == "graph ready":
                print(f"{event['model']} on {event['engine']} ({event['device']}): {event['why']}")
                print(f"measured {event['images_per_second']:g} images/s at batch {event['best_batch']}")
            if event["event"] == "serving":
                print(f"gRPC on {event['grpc']}, metrics and health on http://{event['http']}")
                yield event["grpc"]
                break
        else:
            raise SystemExit("the server did not start; run `make serve` to see why")
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    if code:
        raise SystemExit(f"the server stopped with exit code {code}")


def contact_sheet(results: list[tuple[Path, Result]], out: Path) -> None:
    """Draw samples above, their overlays below, and the answer under each."""
    columns, caption = 5, 24
    rows = -(-len(results) // columns)
    height = 2 * TILE + caption
    sheet = Image.new("RGB", (columns * (TILE + 8) - 8, rows * (height + 12) - 12), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (path, result) in enumerate(results):
        x, y = index % columns * (TILE + 8), index // columns * (height + 12)
        picture = result.maps[0].picture
        assert picture is not None
        with Image.open(path) as sample:
            sheet.paste(sample.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST), (x, y))
        with Image.open(io.BytesIO(picture.data)) as overlay:
            sheet.paste(overlay.convert("RGB"), (x, y + TILE))
        best = result.classes[0]
        draw.text((x + 4, y + 2 * TILE + 5), f"{best.label} {best.probability:.1%}", fill="black", font_size=15)
    sheet.save(out)


def heading(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
