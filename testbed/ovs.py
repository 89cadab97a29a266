# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A private Open vSwitch for tests, and snapshots of the database."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import signal
from collections.abc import Iterator, Sequence
from typing import Self

from os_vif.testing import open_vswitch

missing = open_vswitch.missing_requirement
SCHEMA = open_vswitch.vswitch_schema()

#: The running switches. Snapshots include the rows of these switches.
running: list[Switch] = []

#: Columns and keys that vswitchd writes.
_STATUS = {
    "bond_active_slave", "duplex", "error", "ifindex", "mac_in_use", "mtu", "ofport", "statistics",
    "datapath_id", "datapath_version", "status", "admin_state", "link_state", "link_speed", "link_resets", "rstp_status",
    "rstp_statistics", "lacp_current", "_uuid", "_version", "cfm_flap_count", "cfm_remote_mpids", "is_connected", "role",
}  # fmt: skip


class Switch(open_vswitch.Switch):
    """A switch in the network namespace of the calling thread.

    :param server: additional options of ovsdb-server.
    """

    def __init__(
        self, directory: pathlib.Path, *other_config: str, server: Sequence[str] = ()
    ) -> None:
        super().__init__(directory, *other_config)
        self._server = server

    def __enter__(self) -> Self:
        super().__enter__()
        running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in running:
            running.remove(self)
        super().__exit__()

    def start_server(self, *options: str) -> None:
        super().start_server(*self._server, *options)

    def restart_vswitchd(self) -> None:
        """Restart ovs-vswitchd, which reads some settings only at the start."""
        self.kill("ovs-vswitchd")
        self.start_daemon("ovs-vswitchd", self.connection)

    def kill(self, daemon: str) -> None:
        """Kill a daemon, and wait for the end of the process."""
        process = os.pidfd_open(self.pid(daemon))
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], 10)
        os.close(process)
        (self._directory / f"{daemon}.pid").unlink()

    @contextlib.contextmanager
    def standing_still(self, daemon: str) -> Iterator[None]:
        """Stop a daemon with SIGSTOP, as if the disk or the processor of the host were blocked."""
        os.kill(self.pid(daemon), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid(daemon), signal.SIGCONT)

    @property
    def log(self) -> str:
        return (self._directory / "ovs-vswitchd.log").read_text()

    @property
    def version(self) -> str:
        """Return the version of vswitchd, such as ``3.1.0``."""
        return self.run_program("ovs-vswitchd", "--version").splitlines()[0].split()[-1]

    def dump(self) -> dict[str, object]:
        """Return the bridges with all referenced rows, and the rows without references."""
        tables = (
            "AutoAttach", "Bridge", "Controller", "Flow_Sample_Collector_Set", "Flow_Table",
            "IPFIX", "Interface", "Mirror", "NetFlow", "Port", "QoS", "Queue", "sFlow",
            "Open_vSwitch",
        )  # fmt: skip
        select = [{"op": "select", "table": table, "where": []} for table in tables]
        answer = self.run_program(
            "ovsdb-client", "transact", self.connection, json.dumps(["Open_vSwitch", *select])
        )
        rows = {
            row["_uuid"][1]: row for result in json.loads(answer)[:-1] for row in result["rows"]
        }
        root = json.loads(answer)[-1]["rows"][0]
        used: set[str] = set()

        def plain(value):
            match value:
                case ["uuid", uuid]:
                    used.add(uuid)
                    return {c: plain(v) for c, v in rows[uuid].items() if c not in _STATUS}
                case ["set", members]:
                    return sorted((plain(member) for member in members), key=json.dumps)
                case ["map", pairs]:
                    return {str(key): plain(member) for key, member in pairs}
                case _:
                    return value

        bridges = plain(root["bridges"])
        bridges = bridges if isinstance(bridges, list) else [bridges]
        unused = rows.keys() - used
        return {
            "bridges": {bridge["name"]: bridge for bridge in bridges},
            "unused": sorted((plain(["uuid", uuid]) for uuid in unused), key=json.dumps),
        }

    @property
    def internal(self) -> set[str]:
        """Return the names of the switch's internal network devices."""
        return {"ovs-netdev", "ovs-system", *self.dump()["bridges"]}

    def add_port(self, bridge: str, name: str, *settings: str) -> None:
        """Add a port, and check that vswitchd has opened the device, which ovs-vsctl does not
        report.
        """
        more = ["--", "set", "Interface", name, *settings] if settings else []
        self.vsctl("add-port", bridge, name, *more)
        port, error = self.vsctl("get", "Interface", name, "ofport", "error").split("\n")[:2]
        if not port.isdecimal():
            raise OSError(f"port {name}: {error}")


def row(switch: Switch, table: str, name: str, *columns: str) -> list[str]:
    """Return columns of a row."""
    return switch.vsctl("get", table, name, *columns).split("\n")


def missing_requirement() -> str | None:
    """Return the missing requirement of a switch that forwards in user space, or None."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs to read and write /dev/net/tun: the bridges of such a switch are tap devices"
    return missing()


class DummySwitch(Switch):
    """A switch that forwards no packets and needs no rights: all its ports are dummy ports."""

    def start_daemon(self, program: str, *arguments: str, name: str | None = None) -> None:
        dummy = ("--enable-dummy=override", "--disable-system") if "vswitchd" in program else ()
        super().start_daemon(program, *arguments, *dummy, name=name)
