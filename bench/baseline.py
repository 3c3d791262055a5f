"""The baseline: a gRPC server as people write it by hand, around ONNX Runtime, Pillow and the ordinary ONNX export.

It speaks Classify of vitscope.v1, so that the same load drives it. `--openvino` and `--draft` make of it what a well-informed
user would: OpenVINO in bfloat16 with one stream for each core, vitscope's own export, and scaled decoding.

One thread for each core takes a request from decoding to the answer, and each run of the model has one thread to itself. With
2, 4 and 8 workers on two cores the server made equally many images for each second of CPU; two threads in a run made fewer.
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
Run = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3] -> float32 logits [C]


def onnxruntime_model(graph: str, threads: int, mean: float, std: float) -> tuple[int, Run]:
    """The side of the input in pixels, and a run of the ordinary export, which takes normalised float32 [1, 3, H, W]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    scale, offset = np.float32(1 / 255 / std), np.float32(mean / std)

    def run(pixels: np.ndarray) -> np.ndarray:
        batch = (pixels * scale - offset).transpose(2, 0, 1)[np.newaxis]
        logits: np.ndarray = session.run(["logits"], {"pixel_values": np.ascontiguousarray(batch)})[0][0]
        return logits

    return int(session.get_inputs()[0].shape[2]), run


def openvino_model(graph: str, precision: str, streams: int) -> tuple[int, Run]:
    """The same for vitscope's export, which takes uint8 [1, H, W, 3]."""
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
    core = openvino.Core()
    model = core.read_model(graph)
    side = model.inputs[0].get_partial_shape()[1].get_length()
    model.reshape([1, side, side, 3])
    compiled, local = core.compile_model(model, "CPU", hints), threading.local()

    def run(pixels: np.ndarray) -> np.ndarray:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([pixels[np.newaxis]])
        logits: np.ndarray = local.request.get_tensor("logits").data[0]
        return logits

    return side, run


class Servicer(classifier_pb2_grpc.ClassifierServiceServicer):
    def __init__(self, side: int, run: Run, draft: bool) -> None:
        self._side, self._run, self._draft = side, run, draft

    def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:  # noqa: N802
        image = Image.open(io.BytesIO(request.image.encoded))
        if self._draft:
            image.draft("RGB", (self._side, self._side))
        pixels = np.asarray(image.convert("RGB").resize((self._side, self._side), Image.Resampling.BILINEAR))
        logits = self._run(pixels)
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        reply = classifier_pb2.ClassifyResponse()
        for i in np.argsort(-probabilities)[: request.top_k or 5]:
            reply.classes.add(index=i, label=f"LABEL_{i}", probability=probabilities[i], logit=logits[i])
        return reply


def start(servicer: Servicer, workers: int) -> tuple[grpc.Server, int]:
    """The server, and the port that it listens on."""
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
        side, run = openvino_model(flags.graph, flags.openvino, flags.workers)
    else:
        side, run = onnxruntime_model(flags.graph, flags.threads, flags.mean, flags.std)
    servicer = Servicer(side, run, flags.draft)  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED
    server, port = start(servicer, flags.workers)
    announce(port)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
