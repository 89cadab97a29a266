# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plays the Open vSwitch of a host: a private one, that no other program uses or sees."""

from __future__ import annotations

import os
import pathlib
import select
import shutil
import subprocess
from typing import Self

_PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")
#: Where daemons are, which is not on the path of an ordinary user.
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
#: For a daemon to answer, or to end.
_SECONDS = 20


def vswitch_schema() -> pathlib.Path:
    """Return the schema that belongs to the programs: they may be unpacked, and not installed."""
    found = shutil.which("ovsdb-tool", path=_PATH) or "/usr/bin/ovsdb-tool"
    beside = pathlib.Path(found).parents[1] / "share/openvswitch/vswitch.ovsschema"
    return beside if beside.exists() else pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")


def missing() -> str | None:
    """What a switch lacks here."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"there is no {absent[0]} (openvswitch-switch)" if absent else None


class Switch:
    """ovsdb-server and ovs-vswitchd, in the network namespace of whoever starts them.

    :param directory: for its database, sockets and logs; those of the host are not touched.
    :param other_config: of the ``Open_vSwitch`` row, such as ``hw-offload=true``.
    """

    def __init__(self, directory: pathlib.Path, *other_config: str) -> None:
        self._directory = directory
        self._other_config = other_config

    #: Of its database, by the names of their files.
    _servers: tuple[str, ...] = ("ovsdb-server",)

    def __enter__(self) -> Self:
        try:
            self.create()
            self.vsctl("--no-wait", "init")
            for setting in self._other_config:
                self.vsctl("--no-wait", "set", "open", ".", f"other_config:{setting}")
            self._daemon("ovs-vswitchd", self.connection)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop what runs of it."""
        for name in ("ovs-vswitchd", *self._servers):
            if (self._directory / f"{name}.pid").exists():
                # A bridge's devices go with it: --cleanup takes them away.
                cleanup = ("--cleanup",) if name == "ovs-vswitchd" else ()
                process = os.pidfd_open(self.pid(name))
                self.appctl(name, "exit", *cleanup)
                # It has answered, and not yet gone.
                select.select([process], [], [], _SECONDS)
                os.close(process)

    def create(self) -> None:
        """Its database, empty, and the server of it."""
        self._tool("ovsdb-tool", "create", str(self._directory / "conf.db"), str(vswitch_schema()))
        self.start_server()

    def start_server(self, *options: str) -> None:
        """Start ovsdb-server, also again after it was stopped or killed."""
        remote = f"--remote=p{self.connection}"
        self._daemon("ovsdb-server", str(self._directory / "conf.db"), remote, *options)

    def pid(self, daemon: str) -> int:
        return int((self._directory / f"{daemon}.pid").read_text())

    @property
    def connection(self) -> str:
        return f"unix:{self._directory}/db.sock"

    def vsctl(self, *arguments: str) -> str:
        """:raises OSError: with what ovs-vsctl says, if it fails."""
        return self._tool(
            "ovs-vsctl", f"--db={self.connection}", f"--timeout={_SECONDS}", *arguments
        )

    def appctl(self, daemon: str, *arguments: str) -> str:
        """:raises OSError: with what ovs-appctl says, if it fails."""
        target = f"{self._directory}/{daemon}.ctl"
        return self._tool("ovs-appctl", f"--timeout={_SECONDS}", f"--target={target}", *arguments)

    def _daemon(self, program: str, *arguments: str, name: str | None = None) -> None:
        file = f"{self._directory}/{name or program}"
        self._tool(
            *(program, *arguments, f"--pidfile={file}.pid", f"--unixctl={file}.ctl"),
            *(f"--log-file={file}.log", "-vconsole:off", "--no-chdir", "--detach"),
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
