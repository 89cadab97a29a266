# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""nova 34.0.0 on a host of the tests: the client, the translator and the libvirt VIF driver."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from os_vif import serialization
from testbed import environments

if TYPE_CHECKING:
    from os_vif import objects
    from testbed.environments import Subject

_PROGRAM = Path(__file__).with_name("nova_driver.py")
_CONFIGURATION = """
[DEFAULT]
my_ip = 127.0.0.1
host = host-a
log_file = {folder}/nova.log
[neutron]
auth_type = none
endpoint_override = {neutron}
[os_vif_ovs]
ovsdb_connection = {ovsdb}
[vif_plug_ovs_privileged]
helper_command = {helper} --config-file {folder}/nova.conf
[privsep]
helper_command = {helper} --config-file {folder}/nova.conf
[nova_sys_admin]
helper_command = {helper} --config-file {folder}/nova.conf
[oslo_concurrency]
lock_path = {folder}
"""


def environment(subject: Subject) -> Path:
    """Return the Python with nova.

    :raises testbed.cache.Unavailable: if the environment cannot be created.
    """
    return environments.environment(
        "nova", environments.pins("nova"), subject.requirements, "3.11"
    )


@dataclasses.dataclass(frozen=True)
class Plugged:
    """The VIF that nova passed to os-vif, and the device that nova asks libvirt for."""

    vif: objects.VIFBase
    xml: str


class Nova:
    """A process with nova's VIF driver, in the network namespace of the caller."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def plug(self, **case: Any) -> Plugged:
        """Plug a port: ``port``, and without a Neutron also ``network`` and ``subnets``."""
        return self._act("plug", case)

    def unplug(self, **case: Any) -> Plugged:
        return self._act("unplug", case)

    def read(self) -> dict[str, Any]:
        """Return the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"nova ended:\n{self._log.read_text('utf-8')[-3000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _act(self, action: str, case: dict[str, Any]) -> Plugged:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"action": action, "case": case}) + "\n")
        self._process.stdin.flush()
        answer = self.read()
        assert "error" not in answer, f"{answer['error']}\n{self._log.read_text('utf-8')[-3000:]}"
        return Plugged(serialization.loads(json.dumps(answer["vif"])), answer["xml"])


@contextlib.contextmanager
def running(
    python: Path, subject: Subject, folder: Path, ovsdb: str, neutron: str = ""
) -> Iterator[Nova]:
    """Run nova's driver for a block, with the os_vif of *subject*.

    :param ovsdb: the connection of Open vSwitch.
    :param neutron: the URL of Neutron; empty if each port comes with the network.
    """
    folder.mkdir()
    configuration = folder / "nova.conf"
    helper = python.with_name("privsep-helper")
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, neutron=neutron, ovsdb=ovsdb, helper=helper),
        encoding="utf-8",
    )
    environ = environments.without_python_settings(os.environ) | {"PYTHONPATH": str(subject.path)}
    log = folder / "errors.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [python, _PROGRAM, configuration],
            env=environ,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            nova = Nova(process, log)
            assert Path(nova.read()["os_vif"]).parents[1] == subject.path
            yield nova
        finally:
            # The process, and the privileged daemon, end with the end of the input.
            assert process.stdin is not None
            process.stdin.close()
