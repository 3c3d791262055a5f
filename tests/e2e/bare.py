"""Run a command where it may do almost nothing, as in a hardened container.

    unshare --mount python -m tests.e2e.bare FOLDER COMMAND...

Every file system is read-only, /dev/shm and all places for temporary files included. The user has no name, no home, no
rights but those of everybody, and no more than 64 files open. The environment is empty but for the C locale, and what
begins with PYTHON or VITSCOPE_. FOLDER is bound to /srv, which everybody can reach.
"""

import ctypes
import os
import resource
import sys

USER = 10001
FILES = 64
_MOUNT_SETATTR, _HERE, _RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 0x1
_BIND = 4096
_NO_NEW_PRIVILEGES = 38
_KEPT = ("PYTHON", "VITSCOPE_")


def main(folder: str, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(folder.encode(), b"/srv", None, _BIND, None):
        _fail("bind")
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    if libc.syscall(_MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, attributes, 32):
        _fail("mount_setattr")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)  # which takes every capability, too
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    os.chdir("/")
    os.execve(command[0], command, {**kept, "LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})


def _fail(what: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
