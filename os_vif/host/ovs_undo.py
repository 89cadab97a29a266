# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that only an undo has: rows of Open vSwitch that are made again as they were.

A row that is made again has another UUID, and a port another number of OpenFlow.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Self

from os_vif.host import validate
from os_vif.host.ovs_rows import Changes, Look, OvsStep, assignments, ref, settings
from os_vif.host.ovsdb import mapping, values
from os_vif.host.plan import Difference, quote

if TYPE_CHECKING:
    from os_vif.host.ovsdb import Row

#: Bytes of the rows of a port, as JSON.
_LONGEST = 2**20
#: Columns of a bridge that refer to rows which go with it, and which only its controller makes.
_OF_BRIDGE = {
    "auto_attach", "controller", "flow_tables", "ipfix", "mirrors", "netflow", "ports", "sflow",
}  # fmt: skip
#: Of an Interface, what a plug may change beside ``external_ids``.
_CHANGED = ("type", "options", "mtu_request")


@dataclasses.dataclass(frozen=True)
class _Restore(OvsStep):
    name: str
    #: JSON of what was there.
    rows: str

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.port_name(self, "name")
        validate.text(self, "rows", _LONGEST)

    def differences(self, look: Look) -> tuple[Difference, ...]:
        return ()

    @property
    def _rows(self) -> Any:
        return json.loads(self.rows)


@dataclasses.dataclass(frozen=True)
class RestoreOvsPort(_Restore):
    """A port is in a bridge as it was, with its QoS row, unless there is one of its name."""

    bridge: str

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "bridge")

    @classmethod
    def of(cls, look: Look, bridge: str, port: Row, qos: list[Row]) -> Self:
        """What makes a port again.

        :param qos: the QoS rows that go with it.
        """
        rows = {
            "port": settings(port),
            "interfaces": [
                settings(found)
                for reference in values(port["interfaces"])
                if (found := look.at("Interface", reference)) is not None
            ],
            "qos": next((settings(row) for row in qos if ref(row) in values(port["qos"])), None),
        }
        return cls(port["name"], json.dumps(rows), bridge)

    @property
    def port(self) -> str:
        return self.name

    def commands(self) -> tuple[str, ...]:
        rows, name = self._rows, quote(self.name)
        words = [f"ovs-vsctl add-port {quote(self.bridge)} {name}"]
        port = {c: v for c, v in rows["port"].items() if c not in ("name", "interfaces")}
        if rows["qos"] is not None:
            words.append(f"--id=@qos create QoS {assignments(rows['qos'])}")
            port["qos"] = ["uuid", "@qos"]
        if port:
            words.append(f"set Port {name} {assignments(port)}")
        words += [f"set Interface {name} {assignments(row)}" for row in rows["interfaces"]]
        return (" -- ".join(words),)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if look.port(self.name) is not None:
            return ()
        bridge = changes.bridge(look, self.bridge)
        rows = self._rows
        row = rows["port"]
        if rows["qos"] is not None:
            row["qos"] = changes.insert("QoS", **rows["qos"])
        made = [changes.insert("Interface", **interface) for interface in rows["interfaces"]]
        row["interfaces"] = ["set", made]
        port = changes.insert("Port", **row)
        changes.mutate("Bridge", bridge, ["ports", "insert", ["set", [port]]])
        return ()


@dataclasses.dataclass(frozen=True)
class RestoreOvsBridge(_Restore):
    """A bridge is there as it was, unless there is one of its name. Its ports are not in it."""

    @classmethod
    def of(cls, look: Look, bridge: Row) -> Self:
        row = {c: value for c, value in settings(bridge).items() if c not in _OF_BRIDGE}
        port, interface = (look.whole(table, bridge["name"]) for table in ("Port", "Interface"))
        rows = {
            "bridge": row,
            "port": {} if port is None else settings(port),
            "interface": {} if interface is None else settings(interface),
        }
        return cls(bridge["name"], json.dumps(rows))

    def commands(self) -> tuple[str, ...]:
        row = {c: v for c, v in self._rows["bridge"].items() if c != "name"}
        more = f" -- set Bridge {quote(self.name)} {assignments(row)}" if row else ""
        return (f"ovs-vsctl add-br {quote(self.name)}{more}",)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if look.bridge(self.name) is not None:
            return ()
        rows = self._rows
        interface = changes.insert("Interface", **rows["interface"])
        local = changes.insert("Port", **rows["port"] | {"interfaces": interface})
        bridge = changes.insert("Bridge", **rows["bridge"], ports=local)
        changes.mutate("Open_vSwitch", None, ["bridges", "insert", ["set", [bridge]]])
        changes.bridges[self.name] = bridge
        return ()


@dataclasses.dataclass(frozen=True)
class RestoreOvsInterface(_Restore):
    """An Interface has what it had before it was plugged again."""

    @classmethod
    def of(cls, interface: Row, keys: list[str]) -> Self:
        """:param keys: those of ``external_ids`` that are changed."""
        has = mapping(interface["external_ids"])
        rows = {
            "columns": {column: interface[column] for column in _CHANGED},
            "ids": {key: has.get(key) for key in keys},
        }
        return cls(interface["name"], json.dumps(rows))

    @property
    def port(self) -> str:
        return self.name

    def commands(self) -> tuple[str, ...]:
        rows, name = self._rows, quote(self.name)
        kept = [[key, value] for key, value in rows["ids"].items() if value is not None]
        gone = [quote(key) for key, value in rows["ids"].items() if value is None]
        words = [
            f"clear Interface {name} options",
            f"set Interface {name} "
            + assignments(rows["columns"] | {"external_ids": ["map", kept]}),
        ]
        if gone:
            words.append(f"remove Interface {name} external_ids {' '.join(gone)}")
        return (f"ovs-vsctl {' -- '.join(words)}",)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        interface = look.interface(self.name)
        if interface is None:
            return ()
        rows = self._rows
        changes.update("Interface", interface, **rows["columns"])
        kept = [[key, value] for key, value in rows["ids"].items() if value is not None]
        if rows["ids"]:
            changes.mutate(
                "Interface",
                ref(interface),
                ["external_ids", "delete", ["set", list(rows["ids"])]],
                ["external_ids", "insert", ["map", kept]],
            )
        return ()
