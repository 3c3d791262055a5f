"""The template: a process with one thread that has loaded the decoders, and forks itself for each image.

Started by `template.py` as `main(descriptor)`. Requests and replies have nine bytes: a letter and a number.

    f 0      and a socket   fork, and give the socket to the fork    ->  f and its process id, or e and the errno
    w <pid>                 wait for a fork that has been killed     ->  w and its wait status
"""

import contextlib
import gc
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from vitscope.server.decoding import child

RECORD = struct.Struct("!cq")
READY = RECORD.pack(b"r", 0)
# The first to be killed when memory runs out: see proc_pid_oom_score_adj(5).
_OOM_SCORE = "1000"


def main(descriptor: int) -> None:
    """Serve requests until the server closes its end of the socket `descriptor`, or dies."""
    # The server's own signals often reach the whole group of processes; it still needs this one while it drains.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    gc.collect()
    gc.freeze()  # forks share the memory of what is never traversed
    control = socket.socket(fileno=descriptor)
    control.sendall(READY)
    while True:
        try:
            record, descriptors, _, _ = socket.recv_fds(control, RECORD.size, 1)
        except ConnectionError:
            return
        if len(record) < RECORD.size:
            return
        letter, number = RECORD.unpack(record)
        with contextlib.suppress(BrokenPipeError):
            control.sendall(_fork(control, descriptors[0]) if letter == b"f" else _wait(number))


def _fork(control: socket.socket, descriptor: int) -> bytes:
    with socket.socket(fileno=descriptor) as connection:
        own = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            return RECORD.pack(b"e", error.errno or 0)
        if pid:
            return RECORD.pack(b"f", pid)
        status = 1
        try:
            control.close()
            child.run(connection, own)
            status = 0
        except (EOFError, OSError):  # the server is gone, or no longer interested
            pass
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def _wait(pid: int) -> bytes:
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        status = 0
    return RECORD.pack(b"w", status)
