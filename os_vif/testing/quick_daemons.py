# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Privileged daemons forked by a process that has loaded all modules.

The daemon is the daemon of oslo.privsep, but starts in 0.1 s instead of 1 s. Hundreds of tests start
a daemon. :func:`use_helper` starts the daemons of all plugins in this way, and
:func:`stop_daemons` stops the daemons of this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
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
from typing import Any

from oslo_config import cfg
from oslo_privsep import daemon

import os_vif
from os_vif import exception
from os_vif.host.netlink import messages, pyroute2_import
from os_vif.host.sriov import functions
from os_vif.testing import daemon_kills

#: The code of a helper, which asks for a daemon in the namespaces of the helper.
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
    "os_vif.engine.privileged.call_loop",
    "os_vif.engine.privileged.daemon",
    "os_vif.engine.privileged.hardening",
    "os_vif.plugins.pod_privsep",
    "os_vif.plugins.sriov_privsep",
    "vif_plug_linux_bridge.privsep",
    "vif_plug_ovs.privsep",
)
#: linux/prctl.h
_PR_SET_NAME = 15
#: Greatest size of a request in bytes: an environment may be long.
_LONGEST = 1 << 17


@contextlib.contextmanager
def running_helper(directory: Path) -> Iterator[str]:
    """Start the process, and provide the command of a helper for ``helper_command``."""
    ask, path = directory / "ask.py", directory / "socket"
    ask.write_text(_ASK)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        number = str(listening.fileno())
        command = [sys.executable, "-W", "ignore", "-m", __name__, number]
        # The process ends when its standard input is closed, after a kill of this process too.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()], env=_environment()
        ) as server:
            listening.close()
            yield f"{sys.executable} -I -S {ask} {path}"
            if server.stdin is not None:
                server.stdin.close()


def _environment() -> dict[str, str]:
    """Return an environment in which Python finds the modules that this process finds."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}


def daemon_name(context: str) -> str:
    """Return the name of the daemon of a context in ``/proc/PID/comm``."""
    return context[:15]


def contexts() -> list[Any]:
    """Return the contexts of the privileged daemons of os-vif and of the loaded plugins."""
    paths = ["os_vif.plugins.pod_privsep"]
    with contextlib.suppress(exception.LibraryNotInitialized):
        paths += os_vif.privsep_modules()
    found = [importlib.import_module(path).vif_plug for path in paths]
    return list({id(context): context for context in found}.values())


def daemon_names() -> set[str]:
    """Return the names of the daemons of os-vif and of the loaded plugins, in ``/proc/PID/comm``."""
    return {daemon_name(str(context.pypath)) for context in contexts()}


def stop_daemons() -> None:
    """Stop the privileged daemons of this process. The next call starts new daemons."""
    for context in contexts():
        if context.channel is not None:
            context.stop()


@contextlib.contextmanager
def use_helper(helper: str) -> Iterator[None]:
    """Start privileged daemons by the command *helper* for the duration of a block.

    :param helper: the command of :func:`running_helper`.
    """
    stop_daemons()
    used = contexts()
    for context in used:
        cfg.CONF.set_default("helper_command", helper, group=context.cfg_section)
    try:
        yield
    finally:
        for context in used:
            if context.channel is not None:
                context.stop()
            cfg.CONF.clear_default("helper_command", group=context.cfg_section)


def _serve(listening: socket.socket) -> None:
    for name in _MODULES:
        importlib.import_module(name)
    pyroute2_import.skip_package()
    messages.load()
    # Each daemon shares the memory of this process, as long as no collection of garbage writes to it.
    gc.freeze()
    # The caller waits for the answer, not for the process.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
        client, _ = listening.accept()
        with client:
            if os.fork() == 0:
                listening.close()
                _answer(client)


def _answer(client: socket.socket) -> None:
    """Fork the daemon as the helper does, and exit."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, given, _, _ = socket.recv_fds(client, _LONGEST, 5)
    *namespaces, root, directory, errors = given
    arguments, environment = json.loads(request)
    libc = ctypes.CDLL(None, use_errno=True)
    for namespace in namespaces:
        if libc.setns(namespace, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    # The root directory of a process can differ from the root of its mount namespace.
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(directory)
    os.dup2(errors, 2)
    for descriptor in given:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    context = arguments[arguments.index("--privsep_context") + 1]
    libc.prctl(_PR_SET_NAME, daemon_name(context).encode(), 0, 0, 0)
    sys.argv[1:] = arguments
    # See os_vif.testing.fake_card.
    functions.SYS = Path(environment.get("OS_VIF_TEST_SYSFS", functions.SYS))
    helper, status = os.getpid(), 1
    try:
        if daemon_kills.VARIABLE in environment:
            daemon_kills.main()
        else:
            daemon.helper_main()
        status = 0
    finally:
        if os.getpid() == helper:
            client.send(str(status).encode())
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
