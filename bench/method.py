"""The texts of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """Heading and explanation of one section."""

    title: str
    text: str


INTRODUCTION = """\
Written by `make bench` (`python -m bench`); not edited by hand. Speed differs between machines and drifts over time,
so what counts are ratios between things that were measured in turn within the same minutes."""

SECTIONS = {
    "served": About(
        "Served rate",
        """\
Photos of 640 × 480 (JPEG, quality 90) in, five classes out; the bundled example gets its own samples of 28 × 28.
`plain` is `bench/baseline.py`: grpcio, ONNX Runtime in float32, the ordinary export, Pillow. `informed` is the same
server with OpenVINO at the precision of this machine, vitscope's export and Pillow's scaled decoding. The limits are
measured in one process without gRPC: `engine` with its best number of streams and batch size, `decode` the server's
own decoding and resizing on all cores, `back to back` is 1/(1/engine + 1/decode), `together` is both running at once
with the best setting for that, and `combined` the better of these two.""",
    ),
    "poisson": About(
        "Latency against load",
        """\
Poisson arrivals at a share of the capacity, which is the rate with 32 clients in a closed loop, measured in the same
round. Latency counts from the scheduled arrival of a request, not from when the generator sent it. `one image` is
the engine alone at batch 1. With about a thousand requests in each round, p99.9 is close to the slowest of them.""",
    ),
    "overload": About(
        "Overload",
        """\
Poisson arrivals at three and at ten times the capacity, photos of 640 × 480 and of 3000 × 2000 (about 1.5 MB), each
call with a deadline of 2 s, and a server with its default settings. Refusals are RESOURCE_EXHAUSTED; `other` counts
every other failure, late replies included. Goodput is compared with the capacity before and after; the growth of
memory is that of the resident set over the last three quarters of the time.""",
    ),
    "maps": About(
        "Maps",
        """\
32 clients; all requests ask for the same: no map, the default map (last layer), the maps of all layers, evidence for
one or five classes (the graph `evidence`), or rollout (the graph `full`, which has every attention matrix).""",
    ),
    "fairness": About(
        "Fairness",
        "One client sends one photo at a time, first beside a second such client, then beside a stream without end.",
    ),
    "idle": About(
        "One client",
        """\
The latency of a single client beyond decoding and one run of the engine: once with these two as the reply states
them, once as they were measured alone in one process, which includes what they lose by running inside the server.
The bare echo gets the same photos, with a pause between two calls as long as decoding and the engine take: the share
of gRPC itself.""",
    ),
    "overhead": About(
        "The service without a model",
        """\
Preprocessed pixels (150,528 bytes), 32 clients, and a graph that returns zeros without reading them, run by the real
engine; against a bare `grpc.aio` server that receives the same bytes and returns as many as a reply without maps
has.""",
    ),
    "startup": About("Start", "Seconds from the start of the process until the log says that it serves, all included."),
}

METHOD = """\
- **Models.** ViT-Ti/16, ViT-S/16 and ViT-B/16 at 224 pixels with 1,000 classes and random weights, made by
  `bench/models.py`, and the bundled example. vitscope runs with `--allow-uncertified`, since random weights have no
  certificate, and otherwise with its defaults; where a closed loop needs it, the bound on its queue is lifted, since
  the plain servers have none.
- **Load** comes from separate processes on the same cores; the CPU time that they use is in the tables. Messages are
  serialised beforehand, replies are not parsed, four connections carry all clients. 16 photos are sent in turn, and
  each request carries a number of its own in a JPEG comment, so that no server can answer two with one computation.
- **Cores** in the tables are CPU seconds per second: of the server, of the load generator, and of everything else on
  the machine. Where the last one is not near zero, other processes were running, and the figures of that row mean
  little.
- **Closed loop**: every client sends its next request when the last one is answered. The rate counts from the last
  reply before the measured time to the last one within it, so that no batch is cut in two. **Open loop**: arrivals
  are drawn beforehand.
- **Turns.** In each round, everything that is compared is measured one after the other; the other servers are idle.
- **The plain servers** have one thread per core, which handles a request from start to end, and run the model with
  one thread; more workers gained nothing, more threads in a run lost (`--workers` and `--threads` of
  `bench/baseline.py`)."""
