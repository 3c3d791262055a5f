"""What is recorded of a server: it starts, loads models of every engine, answers, is put under load, and ends.

python -m tests.connections.served MODELS PHOTO REPORT
"""

import subprocess
import sys
from pathlib import Path

from tests.e2e.harness import ROOT, RunningServer
from vitscope.v1 import classifier_pb2, image_pb2

# This process has switched reports off for its children; theirs is the question.
_UNSET = {"CI": "", "ORT_DISABLE_TELEMETRY": "", "HF_HUB_DISABLE_TELEMETRY": "", "DO_NOT_TRACK": ""}


def main(models: Path, photo: bytes, report: str) -> int:
    with RunningServer(models, environment=_UNSET) as server:
        for model in ("fashion", "registers"):
            request = classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=photo), model=model)
            assert server.stub.Classify(request, timeout=30).classes
        load = ["--server", server.address, "--rate", "5", "--duration", "2", "--model", "fashion"]
        target = ["--metrics", f"{server.http}/metrics", "--report", report]
        return subprocess.run(
            [sys.executable, "-m", "vitscope", "loadtest", *load, *target], cwd=ROOT, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3]))
