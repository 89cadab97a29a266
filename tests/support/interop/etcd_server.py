# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""An etcd server for a test: on loopback, on free ports, with the data in a directory."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from testbed.cache import Unavailable

HOST = "127.0.0.1"
#: Another process may take a free port before the start of etcd.
ATTEMPTS = 5


@contextlib.contextmanager
def running_etcd(directory: Path) -> Iterator[str]:
    """Run etcd during a block, and provide the address.

    :raises Unavailable: etcd is not installed.
    """
    if (program := shutil.which("etcd")) is None:
        raise Unavailable("etcd is not installed: in Debian it is the package etcd-server")
    process, address = _start(program, directory)
    try:
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(program: str, directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    log = directory / "etcd.log"
    for _ in range(ATTEMPTS):
        client, peer = _free_ports(2)
        ours, others = f"http://{HOST}:{client}", f"http://{HOST}:{peer}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *(program, "--name", "test", "--data-dir", directory / "etcd"),
                    *("--listen-client-urls", ours, "--advertise-client-urls", ours),
                    *("--listen-peer-urls", others, "--initial-advertise-peer-urls", others),
                    *("--initial-cluster", f"test={others}"),
                ],
                # etcd would read options from the environment.
                env={"PATH": os.defpath},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if _healthy(process, client):
            return process, ours
        process.kill()
        process.wait()
        shutil.rmtree(directory / "etcd", ignore_errors=True)
    raise RuntimeError(f"etcd does not start:\n{log.read_text(errors='replace')[-3000:]}")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for sock in sockets:
            sock.bind((HOST, 0))
        return [sock.getsockname()[1] for sock in sockets]


def _healthy(process: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether etcd answers before its end, within a minute."""
    for _ in range(600):
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", "/health")
            answer = connection.getresponse().read()
            connection.close()
            if b"true" in answer:
                return True
        time.sleep(0.1)
    return False
