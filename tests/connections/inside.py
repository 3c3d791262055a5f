"""Run a command in the network namespace of this process, and write down what it asks of the network.

    unshare --net --mount python -m tests.connections.inside RECORD COMMAND...

Every address is made one of this machine, so that nothing leaves and everything is asked of this process: names get an
address, connections are refused. The record begins with "recording".
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from tests.connections.packets import DNS, answer, asked

_SET_FLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40
_NEW_ROUTE, _REQUEST_ACK_CREATE = 24, 0x1 | 0x4 | 0x400
_TABLE_LOCAL, _BOOT, _SCOPE_HOST, _LOCAL, _OUTPUT_INTERFACE = 255, 3, 254, 2, 4
_ALL_PROTOCOLS, _OUTGOING = 3, 4
_BIND = 4096


def main(record: Path, command: list[str]) -> int:
    """Return the exit code of the command."""
    _loopback_up()
    for family in (socket.AF_INET, socket.AF_INET6):
        _every_address_is_ours(family)
    _resolver_is_ours()
    threading.Thread(target=_answer_names, args=(_listen_for_names(),), daemon=True).start()
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
    ended = threading.Event()
    packets.settimeout(0.1)
    with record.open("w", buffering=1) as lines:
        lines.write("recording\n")
        recorder = threading.Thread(target=_record, args=(packets, lines.write, ended))
        recorder.start()
        code = subprocess.run(command, check=False).returncode
        ended.set()
        recorder.join()
    return code


def _record(packets: socket.socket, write: Callable[[str], object], ended: threading.Event) -> None:
    while True:
        try:
            packet, origin = packets.recvfrom(2**16)
        except TimeoutError:
            if ended.is_set():
                return
            continue
        if origin[2] == _OUTGOING and (what := asked(packet)):  # each packet comes in, too
            write(what + "\n")


def _answer_names(resolver: socket.socket) -> None:
    while True:
        query, sender = resolver.recvfrom(4096)
        resolver.sendto(answer(query), sender)


def _listen_for_names() -> socket.socket:
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", DNS))
    return resolver


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP | _RUNNING))


def _every_address_is_ours(family: int) -> None:
    """Add a local route to all addresses, as `ip route add local default dev lo` does."""
    interface = struct.pack("=HHi", 8, _OUTPUT_INTERFACE, socket.if_nametoindex("lo"))
    route = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _TABLE_LOCAL, _BOOT, _SCOPE_HOST, _LOCAL, 0) + interface
    head = struct.pack("=IHHII", 16 + len(route), _NEW_ROUTE, _REQUEST_ACK_CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(head + route)
        code = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if code and family == socket.AF_INET:  # a machine may have no IPv6
        raise OSError(code, os.strerror(code))


def _resolver_is_ours() -> None:
    """Have names asked of this process: no daemon of the machine, which is reached by a file, may answer them."""
    libc = ctypes.CDLL(None, use_errno=True)
    resolv = Path("/etc/resolv.conf").resolve()
    with tempfile.NamedTemporaryFile("w") as file:
        print("nameserver 127.0.0.1", file=file, flush=True)
        if resolv.exists() and libc.mount(file.name.encode(), str(resolv).encode(), None, _BIND, None):
            raise OSError(ctypes.get_errno(), "mount over resolv.conf")
    for daemon in ("/run/systemd", "/run/dbus", "/run/nscd"):
        if Path(daemon).is_dir() and libc.mount(b"none", daemon.encode(), b"tmpfs", 0, None):
            raise OSError(ctypes.get_errno(), f"mount over {daemon}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
