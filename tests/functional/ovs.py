# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A private Open vSwitch for tests: ovsdb-server and ovs-vswitchd in a directory of their own."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from typing import Self

_SCHEMA = pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def missing() -> str | None:
    """What a switch lacks here."""
    absent = [
        name
        for name in ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")
        if shutil.which(name, path=_PATH) is None
    ]
    return f"there is no {absent[0]} (openvswitch-switch)" if absent else None


#: Those that run now; snapshots have what is in them.
running: list[Switch] = []

#: What vswitchd writes.
_STATUS = {
    "bond_active_slave", "duplex", "error", "ifindex", "mac_in_use", "mtu", "ofport", "statistics",
    "datapath_id", "datapath_version", "status", "admin_state", "link_state", "link_speed", "link_resets", "rstp_status",
    "rstp_statistics", "lacp_current", "_uuid", "_version", "cfm_flap_count", "cfm_remote_mpids",
}  # fmt: skip


class Switch:
    """A switch in the network namespace of whoever starts it.

    :param directory: for its database, sockets and logs.
    :param other_config: of the ``Open_vSwitch`` row, such as ``hw-offload=true``.
    """

    def __init__(self, directory: pathlib.Path, *other_config: str) -> None:
        self._directory = directory
        self._other_config = other_config

    def __enter__(self) -> Self:
        place = self._directory
        database = place / "conf.db"
        self._tool("ovsdb-tool", "create", str(database), str(_SCHEMA))
        self._daemon("ovsdb-server", str(database), f"--remote=p{self.connection}")
        self.vsctl("--no-wait", "init")
        for setting in self._other_config:
            self.vsctl("--no-wait", "set", "open", ".", f"other_config:{setting}")
        try:
            self._daemon("ovs-vswitchd", self.connection)
        except BaseException:
            self.__exit__()
            raise
        running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in running:
            running.remove(self)
        for name in ("ovs-vswitchd", "ovsdb-server"):
            if (self._directory / f"{name}.pid").exists():
                # A bridge's devices go with it: --cleanup takes them away.
                cleanup = ("--cleanup",) if name == "ovs-vswitchd" else ()
                self.appctl(name, "exit", *cleanup)

    @property
    def connection(self) -> str:
        return f"unix:{self._directory}/db.sock"

    @property
    def log(self) -> str:
        return (self._directory / "ovs-vswitchd.log").read_text()

    @property
    def version(self) -> str:
        """Of vswitchd: ``3.1.0``."""
        return self._tool("ovs-vswitchd", "--version").splitlines()[0].split()[-1]

    def pid(self, daemon: str) -> int:
        return int((self._directory / f"{daemon}.pid").read_text())

    def vsctl(self, *arguments: str) -> str:
        return self._tool("ovs-vsctl", f"--db={self.connection}", "--timeout=20", *arguments)

    def appctl(self, daemon: str, *arguments: str) -> str:
        target = f"{self._directory}/{daemon}.ctl"
        return self._tool("ovs-appctl", "--timeout=20", f"--target={target}", *arguments)

    def dump(self) -> dict[str, object]:
        """Its bridges, with their ports, interfaces and QoS rows, and the QoS rows of no port."""
        tables = ("Bridge", "Port", "Interface", "QoS", "Open_vSwitch")
        select = [{"op": "select", "table": table, "where": []} for table in tables]
        answer = self._tool(
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
        """The network devices that are its own."""
        return {"ovs-netdev", "ovs-system", *self.dump()["bridges"]}

    def add_port(self, bridge: str, name: str, *settings: str) -> None:
        """Add a port, and see that vswitchd has opened its device: ovs-vsctl does not tell."""
        more = ["--", "set", "Interface", name, *settings] if settings else []
        self.vsctl("add-port", bridge, name, *more)
        port, error = self.vsctl("get", "Interface", name, "ofport", "error").split("\n")[:2]
        if not port.isdecimal():
            raise OSError(f"port {name}: {error}")

    def _daemon(self, name: str, *arguments: str) -> None:
        place = self._directory
        self._tool(
            *(name, *arguments, f"--pidfile={place}/{name}.pid", f"--unixctl={place}/{name}.ctl"),
            *(f"--log-file={place}/{name}.log", "-vconsole:off", "--no-chdir", "--detach"),
        )

    def _tool(self, *command: str) -> str:
        directories = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        environment = os.environ | dict.fromkeys(directories, str(self._directory))
        done = subprocess.run(
            command,
            env=environment | {"PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()


def row(switch: Switch, table: str, name: str, *columns: str) -> list[str]:
    """Columns of a row."""
    return switch.vsctl("get", table, name, *columns).split("\n")
