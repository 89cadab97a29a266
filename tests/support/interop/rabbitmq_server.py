# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A RabbitMQ server for a test, in the network namespace of the caller."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

#: The script of the Debian package. The script in /usr/sbin changes the user.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_PORT = 5672
_START_TIMEOUT_S, _END_TIMEOUT_S = 180, 60
_CONFIGURATION = f"""
listeners.tcp.default = {_PORT}
loopback_users = none
"""


def missing_requirement() -> str | None:
    """Return the reason why no server can be started here, or None."""
    if not _PROGRAM.exists() or shutil.which("epmd") is None:
        return f"needs the Debian package rabbitmq-server: there is no {_PROGRAM}"
    return None


@contextlib.contextmanager
def running_rabbitmq(folder: Path) -> Iterator[str]:
    """Run a server during a block, and provide the URL for oslo.messaging on this host.

    The caller is in a private network namespace: the ports are fixed, and the user ``guest`` may
    connect from everywhere.

    :param folder: an empty folder, for the data and the log ``output.log``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rabbitmq.conf").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "plugins").write_text("[].\n", encoding="utf-8")
    environ = {
        "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_NODENAME": "os-vif@localhost",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # Idle schedulers do not spin.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }
    # RabbitMQ would start an epmd, which would stay.
    with _running(["epmd"], folder, environ), _running([str(_PROGRAM)], folder, environ) as server:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers():
            output = (folder / "output.log").read_text(errors="replace")[-3000:]
            assert server.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)
        yield f"rabbit://guest:guest@127.0.0.1:{_PORT}/"


def _answers() -> bool:
    """Return whether the server greets a client of AMQP."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", _PORT), 5) as connection,
    ):
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return bool(connection.recv(1))
    return False


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group during a block."""
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_TIMEOUT_S)
                    break
