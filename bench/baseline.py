"""The baseline: a plain gRPC server, as written by hand, with ONNX Runtime, Pillow and the ordinary ONNX export.

It implements Classify of vitscope.v1, so that the same load drives it. `--openvino` and `--draft` add what a
well-informed user would add: OpenVINO in bfloat16 with one stream per core, vitscope's own export, and scaled decoding.

One thread per core takes a request from decoding to the reply, and each run of the model has one thread. With 2, 4 and
8 workers on two cores the server made equally many images per second of CPU time; two threads in a run made fewer.
"""

import argparse
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
from PIL import Image

from bench.listening import announce
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc

CORES = len(os.sched_getaffinity(0))
Infer = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3] -> float32 logits [C]


def onnxruntime_model(graph: str, threads: int, mean: float, std: float) -> tuple[int, Infer]:
    """Load the ordinary export, which takes normalised float32 [1, 3, H, W].

    Returns the side of its input in pixels, and the function that runs it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    scale, offset = np.float32(1 / 255 / std), np.float32(mean / std)

    def infer(pixels: np.ndarray) -> np.ndarray:
        batch = (pixels * scale - offset).transpose(2, 0, 1)[np.newaxis]
        logits: np.ndarray = session.run(["logits"], {"pixel_values": np.ascontiguousarray(batch)})[0][0]
        return logits

    return int(session.get_inputs()[0].shape[2]), infer


def openvino_model(graph: str, precision: str, streams: int) -> tuple[int, Infer]:
    """Load vitscope's export, which takes uint8 [1, H, W, 3]. Returns the same."""
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
    core = openvino.Core()
    model = core.read_model(graph)
    side = model.inputs[0].get_partial_shape()[1].get_length()
    model.reshape([1, side, side, 3])
    compiled, local = core.compile_model(model, "CPU", hints), threading.local()

    def infer(pixels: np.ndarray) -> np.ndarray:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([pixels[np.newaxis]])
        logits: np.ndarray = local.request.get_tensor("logits").data[0]
        return logits

    return side, infer


class Servicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Answers Classify; the other methods are not implemented."""

    def __init__(self, side: int, infer: Infer, draft: bool) -> None:
        self._side, self._infer, self._draft = side, infer, draft

    def Classify(  # noqa: N802
        self, request: classifier_pb2.ClassifyRequest, context: Any
    ) -> classifier_pb2.ClassifyResponse:
        image = Image.open(io.BytesIO(request.image.encoded))
        if self._draft:
            image.draft("RGB", (self._side, self._side))
        pixels = np.asarray(image.convert("RGB").resize((self._side, self._side), Image.Resampling.BILINEAR))
        logits = self._infer(pixels)
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        reply = classifier_pb2.ClassifyResponse()
        for i in np.argsort(-probabilities)[: request.top_k or 5]:
            reply.classes.add(index=i, label=f"LABEL_{i}", probability=probabilities[i], logit=logits[i])
        return reply


def start(servicer: Servicer, workers: int) -> tuple[grpc.Server, int]:
    """Start a server on a free port. Returns it and the port."""
    server = grpc.server(ThreadPoolExecutor(workers))
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph")
    parser.add_argument("--openvino", metavar="PRECISION", help="run vitscope's export in OpenVINO at bf16 or f32")
    parser.add_argument("--draft", action="store_true", help="decode JPEGs at the smallest sufficient scale")
    parser.add_argument("--workers", type=int, default=CORES)
    parser.add_argument("--threads", type=int, default=1, help="of each run in ONNX Runtime")
    parser.add_argument("--mean", type=float, default=0.5, help="of all three colours, in units of 1")
    parser.add_argument("--std", type=float, default=0.5)
    flags = parser.parse_args()
    if flags.openvino:
        side, infer = openvino_model(flags.graph, flags.openvino, flags.workers)
    else:
        side, infer = onnxruntime_model(flags.graph, flags.threads, flags.mean, flags.std)
    servicer = Servicer(side, infer, flags.draft)  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED
    server, port = start(servicer, flags.workers)
    announce(port)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
