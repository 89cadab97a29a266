# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Privileged daemons that do not have to be loaded: a process that has it all forks them.

A daemon is what oslo.privsep makes of any helper; it only comes in 0.1 s and not in 1 s (in a
virtual machine in 1 s and not in 15 s), and there are hundreds of tests with one of their own.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from oslo_privsep import daemon

from os_vif.host.sriov import functions
from tests.support import faulty_helper

#: What a helper does: it asks for a daemon in its own namespaces.
_ASK = """\
import json, os, socket, sys
places = [os.open(at, os.O_RDONLY) for at in ("/proc/self/ns/net", "/proc/self/ns/mnt", "/", ".")]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect(sys.argv[1])
    request = json.dumps([sys.argv[2:], dict(os.environ)]).encode()
    socket.send_fds(server, [request], [*places, 2])
    sys.exit(int(server.recv(16) or 1))
"""
_MODULES = (
    "os_vif.engine.privileged.daemon",
    "os_vif.plugins.sriov_privsep",
    "vif_plug_linux_bridge.privsep",
    "vif_plug_ovs.privsep",
)
_ROOT = Path(__file__).parents[2]
#: linux/prctl.h
_PR_SET_NAME = 15
#: Bytes of a request: an environment may be long.
_LONGEST = 1 << 17


@contextlib.contextmanager
def started(directory: Path) -> Iterator[str]:
    """The command of such a helper, for ``helper_command``."""
    ask, path = directory / "ask.py", directory / "socket"
    ask.write_text(_ASK)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        number = str(listening.fileno())
        command = [sys.executable, "-W", "ignore", "-m", __name__, number]
        # It ends with its standard input, whatever ends this process.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()], cwd=_ROOT
        ) as server:
            listening.close()
            yield f"{sys.executable} -I -S {ask} {path}"
            server.stdin.close()


def name_of(context: str) -> str:
    """By what ``/proc/PID/comm`` knows the daemon of a context."""
    return context[:15]


def _serve(listening: socket.socket) -> None:
    for name in _MODULES:
        importlib.import_module(name)
    # Whoever asks waits for the answer, and not for the process.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
        asking, _ = listening.accept()
        with asking:
            if os.fork() == 0:
                listening.close()
                _answer(asking)


def _answer(asking: socket.socket) -> None:
    """Become that helper. It forks the daemon, and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, given, _, _ = socket.recv_fds(asking, _LONGEST, 5)
    *namespaces, root, directory, errors = given
    arguments, environment = json.loads(request)
    libc = ctypes.CDLL(None, use_errno=True)
    for namespace in namespaces:
        if libc.setns(namespace, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    # A process may have another root than its namespace has.
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(directory)
    os.dup2(errors, 2)
    for descriptor in given:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    context = arguments[arguments.index("--privsep_context") + 1]
    libc.prctl(_PR_SET_NAME, name_of(context).encode(), 0, 0, 0)
    sys.argv[1:] = arguments
    # A card of the tests' own, as tests.support.cases shows one.
    functions.SYS = Path(environment.get("OS_VIF_TEST_SYSFS", functions.SYS))
    helper, status = os.getpid(), 1
    try:
        if faulty_helper.VARIABLE in environment:
            faulty_helper.main()
        else:
            daemon.helper_main()
        status = 0
    finally:
        if os.getpid() == helper:
            asking.send(str(status).encode())
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
