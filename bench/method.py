"""The texts of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """Heading and explanation of one section."""

    title: str
    text: str


INTRODUCTION = """\
Written by `make bench` (`python -m bench`); not edited by hand. Speed differs from machine to machine and drifts on each, so
what counts are ratios between things that were measured in turns within the same minutes. A bar is met where the median over
the rounds keeps to it; beside it stand the worst and the best round."""

SECTIONS = {
    "served": About(
        "Served rate",
        """\
Photos of 640 × 480 (JPEG, quality 90) in, five classes out; the bundled example is sent its own samples of 28 × 28. `plain` is
`bench/baseline.py`: grpcio, ONNX Runtime in float32, the ordinary export, Pillow. `informed` is the same server given OpenVINO
at the precision of this machine, vitscope's export and Pillow's scaled decoding. The limits are measured in one process without
gRPC: `engine` with its best number of streams and batch, `decode` the server's own decoding and resizing on every core,
`back to back` is 1/(1/engine + 1/decode), `together` is both really running at once with the best setting for that, and
`combined` the better of these two.""",
    ),
    "poisson": About(
        "Latency against load",
        """\
Poisson arrivals at a share of the capacity, which is the rate with 32 clients in a closed loop, measured in the same round. Latency
counts from the moment when the request was due, not from when the generator got round to sending it. `one image` is the engine
alone at batch 1. With a thousand or so requests in each round, p99.9 is close to the slowest of them.""",
    ),
    "overload": About(
        "Overload",
        """\
Poisson arrivals at three times the capacity, each call with a deadline of 2 s, and a server with its default settings. Refusals
are RESOURCE_EXHAUSTED; `other` counts every other failure, late answers included. Goodput is compared with the capacity
before and after; the growth of memory is that of the resident set over the last three quarters of the time.""",
    ),
    "maps": About("Maps", "32 clients; all ask for the same: nothing, the default map (last layer), or every layer's."),
    "fairness": About(
        "Fairness",
        "One client sends one photo at a time, first beside another of its kind, then beside a stream that never ends.",
    ),
    "idle": About(
        "One client",
        """\
What a lone caller waits for beyond decoding and one run of the engine: once with these two as the reply states them, once as
they were measured alone in one process, which also counts what they lose by running inside the server. The bare echo gets the
same photos with as long a pause between two calls as decoding and the engine take: what gRPC itself costs of the difference.""",
    ),
    "overhead": About(
        "The service without a model",
        """\
Pixels that are ready for the model (150,528 bytes), 32 clients, and a graph that answers zeros without looking at them, run by
the real engine; against a bare `grpc.aio` server that takes the same bytes and answers as many as a reply without maps has.""",
    ),
    "startup": About("Start", "Seconds from the start of the process until the log says that it serves, all included."),
}

METHOD = """\
- **Models.** ViT-Ti/16, ViT-S/16 and ViT-B/16 at 224 pixels with 1,000 classes and random weights, made by `bench/models.py`, and
  the bundled example. vitscope is started with `--allow-uncertified`, since random weights have no certificate, and otherwise
  with its defaults; where a closed loop asks for it, its bound on waiting is lifted, since the plain servers have none.
- **Load** comes from processes of their own on the same cores, and what they use is in the tables. Messages are serialised
  beforehand, replies are not parsed, four connections carry all clients. 16 photos are sent in turn, and each request carries a
  number of its own in a JPEG comment, so that no server can answer two with one computation.
- **Cores** in the tables are CPU seconds per second: of the server, of the load generator, and of everything else on the machine
  meanwhile; where that last one is not near zero, somebody else was at work and the figures of that row are worth little.
- **Closed loop**: every client sends its next request when the last one is answered. The rate counts from the last reply before
  the measured time to the last one within it, so that no batch is cut in two. **Open loop**: arrivals are drawn beforehand.
- **Turns.** In each round everything that is compared is measured one after the other; servers that are not asked meanwhile sleep.
- **The plain servers** have one thread for each core, which does everything for one request, and runs of one thread; more workers
  gave nothing, more threads in a run lost (`--workers` and `--threads` of `bench/baseline.py` try it)."""
