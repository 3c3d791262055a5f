"""Seconds from the start of the process until it serves, with the compiled engine in the cache."""

from bench import servers
from bench.run import Run


def measure(run: Run) -> None:
    model = run.model("vit-b" if "vit-b" in run.effort.models else "vit-ti")
    with servers.vitscope(model) as first:  # fills the cache, if no earlier section has
        run.record(model, "vitscope", "first start of this section", 0, ready_seconds=first.ready_seconds)
    for round_ in run.rounds():
        with servers.vitscope(model) as server:
            run.record(model, "vitscope", "engine cached", round_, ready_seconds=server.ready_seconds)
