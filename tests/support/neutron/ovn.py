# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""OVN on one chassis, and neutron with the mechanism driver ``ovn``.

Nothing needs a message queue: neutron reads the port states from the southbound database, and the
driver ``fake`` of oslo.messaging drops the notifications.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed import ovs
from testbed.environments import Subject
from tests.support.neutron.api import Api, wait_until
from tests.support.neutron.server import Neutron

HOST = "host-a"
_PROGRAMS = ("ovn-northd", "ovn-controller", "ovn-nbctl", "ovn-sbctl")
_SCHEMAS = Path("/usr/share/ovn")
_TIMEOUT_S = 60


def missing_requirement() -> str | None:
    """Return the reason why OVN cannot be started here, or None."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    absent = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"needs the Debian packages ovn-central and ovn-host: there is no {absent[0]}"
    if shutil.which("cc") is None:
        return "needs a C compiler (cc), for uwsgi"
    return ovs.missing_requirement()


class OvnSwitch(ovs.Switch):
    """A switch with the databases and daemons of OVN, whose chassis is :data:`HOST`."""

    _servers = ("ovsdb-server", "northbound", "southbound")
    _daemons = ("ovn-northd", "ovn-controller")

    @property
    def northbound(self) -> str:
        """Address of the northbound database."""
        return f"unix:{self._directory}/ovnnb_db.sock"

    @property
    def southbound(self) -> str:
        """Address of the southbound database."""
        return f"unix:{self._directory}/ovnsb_db.sock"

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as cleanup:
            cleanup.push(self)
            self._start_ovn()
            cleanup.pop_all()
        return self

    def _start_ovn(self) -> None:
        for name, kind in (("northbound", "nb"), ("southbound", "sb")):
            database = str(self._directory / f"{name}.db")
            self.run_program("ovsdb-tool", "create", database, f"{_SCHEMAS}/ovn-{kind}.ovsschema")
            remote = f"--remote=punix:{self._directory}/ovn{kind}_db.sock"
            self.start_daemon("ovsdb-server", database, remote, name=name)
            self.run_program(f"ovn-{kind}ctl", f"--db={getattr(self, name)}", "init")
        ids = {
            "system-id": HOST,
            "hostname": HOST,
            "ovn-remote": self.southbound,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": "127.0.0.1",
            "ovn-bridge-datapath-type": "netdev",
        }
        external = [f"external_ids:{key}={value}" for key, value in ids.items()]
        self.vsctl("set", "Open_vSwitch", ".", *external)
        self.start_daemon(
            "ovn-northd", f"--ovnnb-db={self.northbound}", f"--ovnsb-db={self.southbound}"
        )
        # ovn-controller has no option for the control socket.
        file = f"{self._directory}/ovn-controller"
        self.run_program(
            *("ovn-controller", self.connection, f"--pidfile={file}.pid"),
            *(f"--log-file={file}.log", "-vconsole:off", "--no-chdir", "--detach"),
        )
        wait_until(lambda: self.sbctl("list", "Chassis"), "a chassis", _TIMEOUT_S)

    def stop(self) -> None:
        """Stop the daemons of OVN, then the daemons of Open vSwitch."""
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(super().stop)
            for name in self._daemons:
                if (self._directory / f"{name}.pid").exists():
                    cleanup.callback(self._terminate, name)

    def _terminate(self, daemon: str) -> None:
        """End a daemon of OVN, and wait for the end."""
        process = os.pidfd_open(self.pid(daemon))
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                signal.pidfd_send_signal(process, number)
                if select.select([process], [], [], _TIMEOUT_S)[0]:
                    return
        finally:
            os.close(process)

    def run_program(self, *command: str) -> str:
        # ovn-controller creates the control socket in a run directory of its own.
        return super().run_program("env", f"OVN_RUNDIR={self._directory}", *command)

    def chassis(self) -> dict[str, Any]:
        """Return the row of the chassis in the southbound database."""
        text = self.sbctl("--format=json", "list", "Chassis")
        found = json.loads(text)
        (row,) = (dict(zip(found["headings"], data, strict=True)) for data in found["data"])
        maps = ("external_ids", "other_config")
        return {"hostname": row["hostname"], **{name: dict(row[name][1]) for name in maps}}

    def sbctl(self, *arguments: str) -> str:
        """Run ovn-sbctl, and return the output."""
        return self.run_program("ovn-sbctl", f"--db={self.southbound}", *arguments)


@contextlib.contextmanager
def running_neutron(
    python: Path, subject: Subject, folder: Path, switch: OvnSwitch, **more: object
) -> Iterator[Api]:
    """Run neutron with OVN during a block.

    :param python: the Python of :func:`tests.support.neutron.server.environment`.
    :param more: arguments of :class:`Neutron`.
    """
    neutron = Neutron(
        python,
        subject,
        folder,
        {
            "DEFAULT": {
                "service_plugins": "trunk,segments,ovn-router",
                "transport_url": "fake://",
                "host": HOST,
            }
        },
        {
            "ml2": {
                "type_drivers": "local,flat,geneve",
                "tenant_network_types": "geneve",
                "mechanism_drivers": "os_vif_documents,ovn",
                "extension_drivers": "port_security",
                "overlay_ip_version": 4,
            },
            "ml2_type_geneve": {"vni_ranges": "1:65536", "max_header_size": 38},
            "ovn": {
                "ovn_nb_connection": switch.northbound,
                "ovn_sb_connection": switch.southbound,
                "ovn_metadata_enabled": "false",
            },
        },
        **more,
    )
    neutron.create_database()
    with neutron.running_api() as api:
        yield api
