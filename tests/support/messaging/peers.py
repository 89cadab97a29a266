# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""RPC servers with public releases of os-vif, each in a separate process and environment."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import environments
from testbed.environments import Subject
from tests.support.interop import releases

if TYPE_CHECKING:
    from collections.abc import Iterator

PEER = Path(__file__).with_name("rpc_peer.py")
_END_TIMEOUT_S = 60
#: Installs the requirements of the driver for RabbitMQ, which the pins of the releases lack.
_DRIVER = ("oslo.messaging",)


@dataclass(frozen=True)
class Installed:
    """An installed release of os-vif, and the Python with the requirements."""

    python: Path
    subject: Subject

    @classmethod
    def of_release(cls, release: str, scratch: Path) -> Installed:
        """Return a public release of ``pins/messaging.txt``.

        :raises testbed.cache.Unavailable: Python is missing, or the index is out of reach.
        """
        its = releases.era(release)
        (line,) = (
            line
            for line in environments.pins("messaging").splitlines()
            if line.startswith(f"os-vif=={release} ")
        )
        subject = Subject.from_public_release(scratch, line)
        return cls(_environment(its), subject)

    @classmethod
    def of_checkout(cls, subject: Subject) -> Installed:
        """Return this checkout, in the environment of the newest public releases."""
        return cls(_environment(releases.ERAS[-1]), subject)

    @contextlib.contextmanager
    def serving(
        self, url: str, topic: str, name: str, log: Path, indirection: str = "none"
    ) -> Iterator[None]:
        """Run an RPC server during a block, in the network namespace of the caller.

        At the end, the server completes the running calls.
        """
        command = [self.python, "-W", "ignore", PEER, url, topic, name, indirection]
        environ = environments.without_python_settings(os.environ)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=log.parent,
                env=environ | {"PYTHONPATH": str(self.subject.path)},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            assert ready == b"ready\n", log.read_text(errors="replace")[-3000:]
            yield
        finally:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_TIMEOUT_S)
            process.kill()
            process.wait()
            process.stdout.close()


def _environment(era: releases.Era) -> Path:
    name = f"{era.name}-rabbitmq"
    return environments.environment(name, environments.pins(era.name), _DRIVER, era.python)
