# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A switch whose database is a cluster of three servers."""

from __future__ import annotations

import socket
import time

from testbed.ovs import SCHEMA, Switch


class Cluster(Switch):
    """A :class:`Switch` with the servers ``db1``, ``db2`` and ``db3``."""

    _servers = ("db1", "db2", "db3")

    def create_database(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            # In a private namespace the following ports are free too.
            port = min(free.getsockname()[1], 65000)
        addresses = [f"tcp:127.0.0.1:{port + n}" for n in range(3)]
        files = [str(self._directory / f"{name}.db") for name in self._servers]
        self.run_program("ovsdb-tool", "create-cluster", files[0], str(SCHEMA), addresses[0])
        for file, address in zip(files[1:], addresses[1:], strict=True):
            self.run_program(
                "ovsdb-tool", "join-cluster", file, "Open_vSwitch", address, addresses[0]
            )  # fmt: skip
        for name in self._servers:
            self.start(name)
        for name in self._servers:
            remote = self.remote(name)
            self.run_program(
                "ovsdb-client", "--timeout=20", "wait", remote, "Open_vSwitch", "connected"
            )

    def start(self, name: str) -> None:
        database = str(self._directory / f"{name}.db")
        self.start_daemon("ovsdb-server", database, f"--remote=p{self.remote(name)}", name=name)

    def remote(self, name: str) -> str:
        return f"unix:{self._directory}/{name}.sock"

    @property
    def connection(self) -> str:
        return ",".join(self.remote(name) for name in self._servers)

    def alive(self) -> list[str]:
        return [name for name in self._servers if (self._directory / f"{name}.pid").exists()]

    def leader(self) -> str:
        """Return the name of the elected leader."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for name in self.alive():
                if "Role: leader" in self.appctl(name, "cluster/status", "Open_vSwitch"):
                    return name
            time.sleep(0.05)
        raise TimeoutError("no leader was elected")
