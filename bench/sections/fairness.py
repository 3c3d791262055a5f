"""Whether a client with thousands of images slows down a client that sends one at a time."""

from bench import servers
from bench.photos import payloads, stream_payloads
from bench.run import Run
from vitscope.loadtest.generator import Load
from vitscope.v1 import classifier_pb2

BESIDE_UNARY, BESIDE_STREAM = "beside a second unary client", "beside a stream"


def measure(run: Run) -> None:
    model = run.model("vit-ti")
    one, many = payloads(model.jpegs), stream_payloads(model.jpegs)
    # Long enough for a p99 that is not simply the slowest request.
    seconds = 4 * run.seconds(model)
    with servers.vitscope(model) as server:
        observed = Load(server.address, one, seconds, clients=1)
        # The other client begins before and ends after the observed one.
        unary = Load(server.address, one, seconds + 2, warm_up=0, clients=1)
        stream = Load(server.address, many, seconds + 2, warm_up=0, stream=True, keep=100)
        for round_ in run.rounds():
            for title, other in ((BESIDE_UNARY, unary), (BESIDE_STREAM, stream)):
                beside = run.start(other, f"{model.name}: a client {title}")
                run.drive(model, "vitscope", title, server, observed, round_)
                result = beside.result()
                for reply in result.replies:
                    item = classifier_pb2.ClassifyStreamResponse.FromString(reply)
                    if item.HasField("error"):
                        raise RuntimeError(f"an item of the stream failed: {item.error.message}")
                run.record(model, "the other", title, round_, rate=result.rate)
