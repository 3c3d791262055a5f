"""Stage 3: bundles -> a gRPC service. Imports neither torch nor `export`."""

import os

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
# The server never forks; gRPC would print a warning whenever a library does.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
