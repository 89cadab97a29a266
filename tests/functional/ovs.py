# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A private Open vSwitch for tests: ovsdb-server and ovs-vswitchd in a directory of their own."""

from __future__ import annotations

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


class Switch:
    """A switch in the network namespace of whoever starts it.

    :param directory: for its database, sockets and logs.
    :param other_config: of the ``Open_vSwitch`` row, such as ``hw-offload=true``.
    """

    def __init__(self, directory: pathlib.Path, *other_config: str) -> None:
        self._directory = directory
        self._other_config = other_config
        self._pids: list[int] = []

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
        return self

    def __exit__(self, *_: object) -> None:
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

    def vsctl(self, *arguments: str) -> str:
        return self._tool("ovs-vsctl", f"--db={self.connection}", "--timeout=20", *arguments)

    def appctl(self, daemon: str, *arguments: str) -> str:
        target = f"{self._directory}/{daemon}.ctl"
        return self._tool("ovs-appctl", "--timeout=20", f"--target={target}", *arguments)

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
