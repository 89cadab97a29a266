# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a private Open vSwitch, which no other program of the host uses or sees."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, Self

#: The running switches. Snapshots include the rows of these switches.
running: list[Switch] = []

#: Columns and keys that vswitchd writes.
_STATUS = {
    "bond_active_slave", "duplex", "error", "ifindex", "mac_in_use", "mtu", "ofport", "statistics",
    "datapath_id", "datapath_version", "status", "admin_state", "link_state", "link_speed", "link_resets", "rstp_status",
    "rstp_statistics", "lacp_current", "_uuid", "_version", "cfm_flap_count", "cfm_remote_mpids", "is_connected", "role",
}  # fmt: skip

_PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")
#: For a daemon to answer or to exit, in seconds.
_TIMEOUT_S = 20


def _search_path() -> str:
    """Return ``PATH`` with the folders of daemons, which the path of a user may lack."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def vswitch_schema() -> pathlib.Path:
    """Return the database schema of the installed or unpacked programs.

    The schema is looked for next to ovsdb-tool, then in ``/usr/share/openvswitch``.
    """
    program = shutil.which("ovsdb-tool", path=_search_path()) or "/usr/bin/ovsdb-tool"
    schema = pathlib.Path(program).parents[1] / "share/openvswitch/vswitch.ovsschema"
    return schema if schema.exists() else pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")


def missing_requirement() -> str | None:
    """Return the reason why no switch can be started here, or None."""
    path = _search_path()
    absent = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    return f"there is no {absent[0]} (openvswitch-switch)" if absent else None


def _has_exited(process: int, timeout_s: float) -> bool:
    """Wait for the end of a process; return True if the process has ended.

    :param process: a pidfd.
    """
    return bool(select.select([process], [], [], timeout_s)[0])


def _kill(process: int) -> None:
    """Kill a process, and wait for the end; do nothing for a process that has ended."""
    if not _has_exited(process, 0):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        _has_exited(process, _TIMEOUT_S)


class Switch:
    """A private ovsdb-server and ovs-vswitchd in the current network namespace.

    Entering the context creates the database and starts the daemons. Leaving stops the daemons;
    ovs-vswitchd removes the network devices of the bridges. The caller removes *directory*.

    :param directory: an empty folder for the database, sockets and logs.
    :param other_config: settings of the ``Open_vSwitch`` row, such as ``hw-offload=true``.
    :param server: more options of ovsdb-server.
    :raises OSError: on entering, if a program fails; the text has the message of the program.
    """

    #: The ovsdb-servers, by the names of the ``.pid`` and ``.ctl`` files in the directory.
    _servers: tuple[str, ...] = ("ovsdb-server",)

    def __init__(
        self, directory: pathlib.Path, *other_config: str, server: Sequence[str] = ()
    ) -> None:
        self._directory = directory
        self._other_config = other_config
        self._server = server

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(self.stop)
            self.create_database()
            self.vsctl("--no-wait", "init")
            for setting in self._other_config:
                self.vsctl("--no-wait", "set", "open", ".", f"other_config:{setting}")
            self.start_daemon("ovs-vswitchd", self.connection)
            cleanup.pop_all()
        running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in running:
            running.remove(self)
        self.stop()

    def stop(self) -> None:
        """Stop the running daemons: ovs-vswitchd first, then each ovsdb-server.

        A daemon that does not exit within 20 seconds is killed. A failure to stop one daemon does
        not keep the others running.

        :raises OSError: if a daemon had to be killed.
        """
        with contextlib.ExitStack() as cleanup:
            for name in (*reversed(self._servers), "ovs-vswitchd"):
                if (self._directory / f"{name}.pid").exists():
                    cleanup.callback(self._stop_daemon, name)

    def _stop_daemon(self, name: str) -> None:
        """Stop a daemon, and wait for the end of the process."""
        try:
            process = os.pidfd_open(self.pid(name))
        except ProcessLookupError:
            return  # The daemon was killed, and left the pid file.
        # With --cleanup, ovs-vswitchd removes the devices of the bridges.
        options = ("--cleanup",) if name == "ovs-vswitchd" else ()
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(os.close, process)
            cleanup.callback(_kill, process)
            try:
                self.appctl(name, "exit", *options)
            except OSError:
                if not _has_exited(process, 1):
                    raise
                # The daemon was killed or crashed before.
            # The daemon answers before the end of the process.
            if not _has_exited(process, _TIMEOUT_S):
                raise OSError(f"{name} did not exit within {_TIMEOUT_S} seconds, and was killed")

    def create_database(self) -> None:
        """Create an empty database, and start ovsdb-server.

        :raises OSError: if a program fails.
        """
        database = self._directory / "conf.db"
        self.run_program("ovsdb-tool", "create", str(database), str(vswitch_schema()))
        self.start_server()

    def start_server(self, *options: str) -> None:
        """Start ovsdb-server; also a restart after the server was stopped or killed.

        :param options: more options of ovsdb-server.
        :raises OSError: if the server does not start.
        """
        database = str(self._directory / "conf.db")
        remote = f"--remote=p{self.connection}"
        self.start_daemon("ovsdb-server", database, remote, *self._server, *options)

    def pid(self, daemon: str) -> int:
        """Return the process ID in the pid file of a daemon.

        :raises FileNotFoundError: if the daemon was not started, or has exited.
        """
        return int((self._directory / f"{daemon}.pid").read_text())

    @property
    def connection(self) -> str:
        """Address of the database, for the option ``ovsdb_connection``."""
        return f"unix:{self._directory}/db.sock"

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl; return the output without white space at the ends.

        :raises OSError: if ovs-vsctl fails, with the message of ovs-vsctl.
        """
        return self.run_program(
            "ovs-vsctl", f"--db={self.connection}", f"--timeout={_TIMEOUT_S}", *arguments
        )

    def appctl(self, daemon: str, *arguments: str) -> str:
        """Run ovs-appctl for a daemon; return the output without white space at the ends.

        :raises OSError: if ovs-appctl fails, with the message of ovs-appctl.
        """
        target = f"{self._directory}/{daemon}.ctl"
        return self.run_program(
            "ovs-appctl", f"--timeout={_TIMEOUT_S}", f"--target={target}", *arguments
        )

    def start_daemon(self, program: str, *arguments: str, name: str | None = None) -> None:
        """Start a daemon of Open vSwitch in the background.

        :param name: the name of the pid, log and control files; by default *program*.
        :raises OSError: if the daemon does not start, with the message of the daemon.
        """
        file = f"{self._directory}/{name or program}"
        self.run_program(
            *(program, *arguments, f"--pidfile={file}.pid", f"--unixctl={file}.ctl"),
            *(f"--log-file={file}.log", "-vconsole:off", "--no-chdir", "--detach"),
        )

    def run_program(self, *command: str) -> str:
        """Run a program of Open vSwitch; return the output without white space at the ends.

        :raises OSError: if the program fails, with the command and the message of the program.
        """
        directories = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        environment = os.environ | dict.fromkeys(directories, str(self._directory))
        done = subprocess.run(
            command,
            env=environment | {"PATH": _search_path()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

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

    def dump(self) -> dict[str, Any]:
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

        def plain(value: Any) -> Any:
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
        bridges: dict[str, Any] = self.dump()["bridges"]
        return {"ovs-netdev", "ovs-system", *bridges}

    def add_port(self, bridge: str, name: str, *settings: str) -> None:
        """Add a port, and check that vswitchd has opened the device, which ovs-vsctl does not
        report.
        """
        more = ["--", "set", "Interface", name, *settings] if settings else []
        self.vsctl("add-port", bridge, name, *more)
        port, error = self.vsctl("get", "Interface", name, "ofport", "error").split("\n")[:2]
        if not port.isdecimal():
            raise OSError(f"port {name}: {error}")
