"""Three times the capacity: goodput, refusals and how fast they are, and the growth of memory."""

from concurrent.futures import wait
from statistics import mean

from bench import servers
from bench.photos import payloads
from bench.run import Run, load_figures
from bench.sections.capacity import capacity
from vitscope.loadtest.generator import Load

FACTOR = 3
# Twice the server's own bound on waiting. A later reply counts as failed.
_TIMEOUT = 2.0


def measure(run: Run) -> None:
    model = run.model("vit-ti")
    sent = payloads(model.jpegs)
    with servers.vitscope(model, *servers.UNBOUNDED) as unbounded, servers.vitscope(model) as server:
        before = capacity(run, model, unbounded, sent, 0)
        load = Load(server.address, sent, run.effort.overload_seconds, rate=FACTOR * before, timeout=_TIMEOUT)
        pending, memory = run.start(load, f"{model.name}: {FACTOR} × capacity"), list[float]()
        cpu = server.cpu_seconds
        while not wait([pending], timeout=1).done:
            memory.append(server.rss_mib)
        result = pending.result()
        cpu = server.cpu_seconds - cpu
        after = capacity(run, model, unbounded, sent, 1)
    settled = memory[len(memory) // 4 :]
    run.record(
        model,
        "vitscope",
        f"{FACTOR} × capacity",
        0,
        **load_figures(result),
        goodput=result.rate / mean((before, after)),
        growth=settled[-1] / settled[0] - 1,
        server_rss_mib=settled[-1],
        server_cores=cpu / result.wall_seconds,
    )
