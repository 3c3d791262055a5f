"""Three and ten times the capacity, small and large photos: goodput, refusals and how fast they are, and memory."""

from concurrent.futures import wait
from statistics import mean

from bench import servers
from bench.models import Model
from bench.photos import large_jpegs, payloads
from bench.run import Run, load_figures
from bench.sections.capacity import capacity
from vitscope.loadtest.generator import Load
from vitscope.loadtest.numbered import Numbered

FACTORS = (3, 10)
PHOTOS = ("640 x 480", "3000 x 2000")
# Twice the server's own bound on waiting. A later reply counts as failed.
_TIMEOUT = 2.0


def title(factor: int, photos: str) -> str:
    return f"{factor} × capacity, {photos}"


def measure(run: Run) -> None:
    model = run.model("vit-ti")
    for photos, jpegs in zip(PHOTOS, (model.jpegs, large_jpegs()), strict=True):
        for factor in FACTORS:
            _measure(run, model, factor, photos, payloads(jpegs))


def _measure(run: Run, model: Model, factor: int, photos: str, sent: tuple[Numbered, ...]) -> None:
    with servers.vitscope(model, *servers.UNBOUNDED) as unbounded, servers.vitscope(model) as server:
        before = capacity(run, model, unbounded, sent, 0, photos)
        rate = factor * before
        load = Load(server.address, sent, run.effort.overload_seconds, rate=rate, timeout=_TIMEOUT, connections=16)
        pending, memory = run.start(load, f"{model.name}: {title(factor, photos)}"), list[float]()
        cpu = server.cpu_seconds
        while not wait([pending], timeout=1).done:
            memory.append(server.rss_mib)
        result = pending.result()
        cpu = server.cpu_seconds - cpu
        after = capacity(run, model, unbounded, sent, 1, photos)
    settled = memory[len(memory) // 4 :]
    run.record(
        model,
        "vitscope",
        title(factor, photos),
        0,
        **load_figures(result),
        goodput=result.rate / mean((before, after)),
        growth=settled[-1] / settled[0] - 1,
        server_rss_mib=max(memory),
        server_cores=cpu / result.wall_seconds,
    )
