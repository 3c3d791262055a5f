"""No library that this project starts reports its use to its makers.

Every stage that loads such libraries calls `switch_off_telemetry` before it imports any. The client loads none, and
leaves the process of its user as it is.
"""

import os
import sys

# What the libraries themselves read, before or while they are imported. A value that a user has set stays.
_VARIABLES = {
    # Of ONNX Runtime's Linux wheels: importing them writes ids below the home directory and begins to send.
    "ORT_DISABLE_TELEMETRY": "1",
    # Of huggingface_hub and transformers.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    # Loading weights that are no safetensors asks a service to convert them for everybody.
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    # https://donottrack.sh, for whatever else reads it.
    "DO_NOT_TRACK": "1",
}
# OpenVINO and NNCF report through this package, and have a stand-in for installations without it. Its own opt-out is a
# file in the home directory, which is the user's, may be read-only, and may not exist.
_REPORTER = "openvino_telemetry"


def switch_off_telemetry() -> None:
    """Switch reports off in this process and those that it starts. Call it before the libraries are imported."""
    for name, value in _VARIABLES.items():
        if not os.environ.get(name):
            os.environ[name] = value
    if _REPORTER not in sys.modules:
        # As the import system defines it: importing this name raises ModuleNotFoundError.
        sys.modules[_REPORTER] = None  # type: ignore[assignment]
