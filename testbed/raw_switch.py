# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The lower bound of the time to add and delete a port: a single socket, without os-vif."""

from __future__ import annotations

import itertools
import json
import socket
import time
from typing import Any

Operation = dict[str, Any]


class RawSwitch:
    """A connection to the database of a switch, without any library in between."""

    def __init__(self, connection: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(connection.removeprefix("unix:"))
        self._numbers = itertools.count()

    def close(self) -> None:
        self._socket.close()

    def transact(self, *operations: Operation) -> list[Any]:
        number = next(self._numbers)
        params = ["Open_vSwitch", *operations]
        asked = {"method": "transact", "params": params, "id": number}
        self._socket.sendall(json.dumps(asked).encode())
        decoder, text = json.JSONDecoder(), b""
        while True:
            text += self._socket.recv(1 << 20)
            try:
                answer, _ = decoder.raw_decode(text.decode())
            except ValueError:
                continue
            if answer["id"] != number:
                raise OSError(f"unexpected: {answer}")
            errors = [result for result in answer["result"] if result and "error" in result]
            if errors:
                raise OSError(f"refused: {errors}")
            return answer["result"]

    def ports(self) -> dict[str, tuple[Any, Any]]:
        """Return the OpenFlow number and the ``external_ids:iface-id`` of each port, by name."""
        columns = ["name", "ofport", "external_ids"]
        select = {"op": "select", "table": "Interface", "where": [], "columns": columns}
        return {
            row["name"]: (row["ofport"], dict(row["external_ids"][1]).get("iface-id"))
            for row in self.transact(select)[0]["rows"]
        }

    def add(self, bridge: str, *names: str, **interface: Any) -> float:
        """Add ports, wait for vswitchd, and return the duration in seconds."""
        operations: list[Operation] = []
        for number, name in enumerate(names):
            refers = {"interfaces": ["named-uuid", f"i{number}"]}
            operations += [
                _insert("Interface", f"i{number}", name=name, **interface),
                _insert("Port", f"p{number}", name=name, **refers),
            ]
        made = ["set", [["named-uuid", f"p{number}"] for number in range(len(names))]]
        return self._change(*operations, _mutate(bridge, "insert", made))

    def delete(self, bridge: str, *names: str) -> float:
        """Delete ports, wait for vswitchd, and return the duration in seconds."""
        start = time.perf_counter()
        self.wait_for(self.start_deletion(bridge, *names))
        return time.perf_counter() - start

    def start_deletion(self, bridge: str, *names: str) -> int:
        """Delete ports without waiting for vswitchd; return the number of the configuration."""
        found = self.transact(
            *({"op": "select", "table": "Port", "where": [["name", "==", name]],
               "columns": ["_uuid"]} for name in names)
        )  # fmt: skip
        gone = ["set", [row["_uuid"] for result in found for row in result["rows"]]]
        return self._commit(_mutate(bridge, "delete", gone))

    def wait_for(self, number: int) -> None:
        """Wait until vswitchd has applied a configuration."""
        where = [["cur_cfg", "<", number]]
        wait = {"op": "wait", "table": "Open_vSwitch", "where": where, "columns": ["cur_cfg"]}
        self.transact(wait | {"until": "==", "rows": [], "timeout": 300_000})

    def set(self, table: str, name: str, **columns: Any) -> None:
        """Set columns of a row, if the row exists."""
        where = [["name", "==", name]]
        self.transact({"op": "update", "table": table, "where": where, "row": columns})

    def put(self, table: str, name: str, column: str, **pairs: str) -> None:
        """Insert pairs into a map of a row, if the row exists."""
        mutations = [
            [column, "delete", ["set", list(pairs)]],
            [column, "insert", ["map", [list(pair) for pair in pairs.items()]]],
        ]
        where = [["name", "==", name]]
        self.transact({"op": "mutate", "table": table, "where": where, "mutations": mutations})

    def settle(self) -> None:
        """Wait until vswitchd has applied the whole configuration."""
        self._change()

    def until_open(self, name: str) -> None:
        """Wait until vswitchd has opened a port."""
        where = [["name", "==", name], ["ofport", ">", 0]]
        wait = {"op": "wait", "table": "Interface", "where": where, "columns": ["name"]}
        self.transact(wait | {"until": "==", "rows": [{"name": name}], "timeout": 300_000})

    def _change(self, *operations: Operation) -> float:
        start = time.perf_counter()
        self.wait_for(self._commit(*operations))
        return time.perf_counter() - start

    def _commit(self, *operations: Operation) -> int:
        """Commit operations; return the number of the configuration."""
        told = {"op": "mutate", "table": "Open_vSwitch", "where": []}
        asked = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}
        answers = self.transact(*operations, told | {"mutations": [["next_cfg", "+=", 1]]}, asked)
        return int(answers[-1]["rows"][0]["next_cfg"])


def _insert(table: str, refer: str, **row: Any) -> Operation:
    return {"op": "insert", "table": table, "row": row, "uuid-name": refer}


def _mutate(bridge: str, mutation: str, ports: Any) -> Operation:
    mutations = [["ports", mutation, ports]]
    where = [["name", "==", bridge]]
    return {"op": "mutate", "table": "Bridge", "where": where, "mutations": mutations}
