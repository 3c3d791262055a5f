"""The log event by which a server of the benchmark announces its address, as vitscope's own log does."""

import json
import sys


def announce(port: int) -> None:
    print(json.dumps({"event": "serving", "grpc": f"127.0.0.1:{port}"}), file=sys.stderr, flush=True)
