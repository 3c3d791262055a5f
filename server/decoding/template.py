"""The server's side of the template: starts it when it is first needed, and again if it has ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass

import structlog

from vitscope.server.decoding.spawn import READY, RECORD
from vitscope.server.errors import NotReady

log = structlog.get_logger()

# It imports from where this process does, whatever the working directory and the environment are by now.
_CODE = (
    "import sys; sys.path[:] = sys.argv[2:]\nfrom vitscope.server.decoding.spawn import main; main(int(sys.argv[1]))"
)
# One thread, so that it can fork; and few of malloc's arenas, which are counted against the limits of memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_START_SECONDS = 60
_REPLY_SECONDS = 30
_STOP_SECONDS = 2


@dataclass(frozen=True, eq=False, slots=True)
class Process:
    """A fork of the template. connection: to it. template: process id of the template."""

    pid: int
    template: int
    connection: socket.socket


class Template:
    """Makes processes that decode. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id of the template; None while there is none."""
        return self._process.pid if self._process else None

    def fork(self) -> Process:
        """Make a process that waits for one job. Raises NotReady if the system refuses another process."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                letter, number = self._ask(b"f", 0, theirs)
                template = self.pid or 0
            except BaseException:
                ours.close()
                raise
        if letter == b"f":
            return Process(number, template, ours)
        ours.close()
        raise NotReady(f"no process to decode the image can be started: {os.strerror(number)}")

    def end(self, process: Process) -> int:
        """Kill a process, unless it has ended, and return how it ended: its exit code, or minus its signal."""
        process.connection.close()
        with self._lock:
            if self.pid != process.template:  # that template died, and its processes with it
                return -signal.SIGKILL
            kill(process.pid)
            try:
                _, status = self._ask(b"w", process.pid)
            except NotReady:
                return -signal.SIGKILL
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the template. What it has forked dies with it."""
        with self._lock:
            self._closed = True
            self._stop()

    def _ask(self, letter: bytes, number: int, *sockets: socket.socket) -> tuple[bytes, int]:
        """Send one request and return the reply. A template that has ended is started again, for a fork."""
        for attempt in range(2):
            if self._control is None:
                if letter != b"f":
                    break
                self._start()
            assert self._control is not None
            try:
                socket.send_fds(self._control, [RECORD.pack(letter, number)], [one.fileno() for one in sockets])
                reply = self._control.recv(RECORD.size, socket.MSG_WAITALL)
                if len(reply) == RECORD.size:
                    return RECORD.unpack(reply)
            except OSError:
                pass
            log.warning("the process that starts decoders has ended; it is started again", attempt=attempt + 1)
            self._stop()
        raise NotReady("the process that starts decoders has ended; try again")

    def _start(self) -> None:
        if self._closed:
            raise NotReady("the server is stopping")
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-c", _CODE, str(theirs.fileno()), *sys.path]
            environment = {**os.environ, **_ENVIRONMENT}
            try:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            except OSError as error:
                ours.close()
                raise NotReady(f"no process to decode the image can be started: {error.strerror}") from error
        self._control = ours
        ours.settimeout(_START_SECONDS)
        try:
            ready = ours.recv(RECORD.size, socket.MSG_WAITALL)
        except OSError:
            ready = b""
        if ready != READY:
            self._stop()
            raise NotReady("the process that starts decoders did not start; the server's log may say why")
        ours.settimeout(_REPLY_SECONDS)

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


def kill(pid: int) -> None:
    """Kill a process that may have ended but has not been waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
