# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that only an undo has: rows of Open vSwitch that are made again as they were.

A row that is made again has another UUID, and a port another number of OpenFlow. A row that refers
to it is changed in the same transaction. Rows that went with it, such as the controller of a
bridge, are inserted again, unless another row has kept them.
"""

from __future__ import annotations

import dataclasses
import json
from shlex import quote
from typing import TYPE_CHECKING, Any, Self

from os_vif.host.ovsdb.connection import mapping, values
from os_vif.steps import validate
from os_vif.steps.ovs.rows import (
    MIRRORS,
    Changes,
    Look,
    OvsStep,
    assignments,
    at,
    ref,
    sample_collectors,
    settings,
)
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from os_vif.host.ovsdb.connection import Row
    from os_vif.steps.ovs.rows import Query

#: Bytes of the rows of a port, as JSON.
_LONGEST = 2**20
#: Columns of a bridge that refer to rows which ovsdb-server deletes with the last bridge that
#: refers to them, and the tables of those rows.
_CHILDREN = {
    "auto_attach": "AutoAttach",
    "controller": "Controller",
    "flow_tables": "Flow_Table",
    "ipfix": "IPFIX",
    "mirrors": "Mirror",
    "netflow": "NetFlow",
    "sflow": "sFlow",
}
#: Columns of a Mirror that refer to ports. A port that is deleted is taken out of them.
_MIRRORED = ("select_src_port", "select_dst_port", "output_port")
#: Of an Interface, what a plug may change beside ``external_ids``.
_CHANGED = ("type", "options", "mtu_request")


@dataclasses.dataclass(frozen=True)
class _Restore(NamedStep, OvsStep):
    #: JSON of what was there.
    rows: str

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
    """A port is in a bridge as it was, with its QoS row, unless there is one of its name.

    The mirrors that had the port have it again.
    """

    bridge: str

    def validate(self) -> None:
        super().validate()
        validate.bridge_name(self, "bridge")

    @classmethod
    def of(cls, look: Look, bridge: str, port: Row, qos: list[Row]) -> Self:
        """Return the step that makes a port again.

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
            "uuid": ref(port)[1],
            "mirrors": _mirrors_of(look, port),
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
        return (" -- ".join([*words, *_mirror_words(name, rows["mirrors"])]),)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if look.port(self.name) is not None:
            return ()
        bridge = changes.bridge(look, self.bridge)
        rows = self._rows
        row = rows["port"]
        if rows["qos"] is not None:
            _without_gone(look, changes, f"QoS of {self.name}", rows["qos"], {"queues": "Queue"})
            row["qos"] = changes.insert("QoS", **rows["qos"])
        else:
            _without_gone(look, changes, f"Port {self.name}", row, {"qos": "QoS"})
        made = [changes.insert("Interface", **interface) for interface in rows["interfaces"]]
        row["interfaces"] = ["set", made]
        port = changes.insert("Port", **row)
        changes.remade[rows["uuid"]] = port
        changes.mutate("Bridge", bridge, ["ports", "insert", ["set", [port]]])
        _mirror_again(look, changes, self.name, port, rows["mirrors"])
        return ()


@dataclasses.dataclass(frozen=True)
class RestoreOvsBridge(_Restore):
    """A bridge is there as it was, unless there is one of its name. Its ports are not in it.

    The rows that it referred to, such as controllers and mirrors, are inserted again, unless they
    are there because another bridge refers to them. So are the rows that referred to it.
    """

    def validate(self) -> None:
        validate.bridge_name(self, "name")
        validate.text(self, "rows", _LONGEST)

    @classmethod
    def of(cls, look: Look, bridge: Row) -> Self:
        port, interface = (look.whole(table, bridge["name"]) for table in ("Port", "Interface"))
        collectors = look.all(sample_collectors(bridge))
        kept = [
            *_children(bridge),
            *(("IPFIX", r) for row in collectors for r in values(row["ipfix"])),
        ]
        rows = {
            "bridge": {c: value for c, value in settings(bridge).items() if c != "ports"},
            "port": {} if port is None else settings(port),
            "interface": {} if interface is None else settings(interface),
            "children": {
                uuid: [table, settings(found)]
                for table, (_, uuid) in kept
                if (found := look.at(table, ("uuid", uuid))) is not None
            },
            "collectors": [settings(row) for row in collectors],
            "uuid": None if port is None else ref(port)[1],
            "mirrors": [] if port is None else _mirrors_of(look, port),
        }
        return cls(bridge["name"], json.dumps(rows))

    def commands(self) -> tuple[str, ...]:
        rows, name = self._rows, quote(self.name)
        words, made = [f"ovs-vsctl add-br {name}"], {}
        for number, (uuid, (table, child)) in enumerate(rows["children"].items()):
            made[uuid] = ["uuid", f"@row{number}"]
            row = {c: v for c, v in child.items() if c not in _MIRRORED}
            words.append(f"--id=@row{number} create {table} {assignments(row)}".rstrip())
        for table in ("Bridge", "Port", "Interface"):
            row = {c: v for c, v in rows[table.lower()].items() if c not in ("name", "interfaces")}
            if table == "Interface":
                row.pop("type", None)
            if row:
                words.append(f"set {table} {name} {assignments(_referring(row, made))}")
        if rows["collectors"]:
            words.append(f"--id=@bridge get Bridge {name}")
        for collector in rows["collectors"]:
            row = _referring(collector, made) | {"bridge": ["uuid", "@bridge"]}
            words.append(f"create Flow_Sample_Collector_Set {assignments(row)}")
        return (" -- ".join([*words, *_mirror_words(name, rows["mirrors"])]),)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if look.bridge(self.name) is not None:
            return ()
        rows = self._rows
        for uuid, (table, child) in rows["children"].items():
            if uuid in changes.remade or look.at(table, ("uuid", uuid)) is not None:
                continue
            # The ports of the bridge are yet to be made: each finds its mirrors then.
            row = {c: v for c, v in child.items() if c not in _MIRRORED}
            others = {c: _there(look, "Port", child[c]) for c in _MIRRORED if c in child}
            changes.remade[uuid] = changes.insert(table, **row, **others)
        interface = changes.insert("Interface", **rows["interface"])
        _without_gone(look, changes, f"Port {self.name}", rows["port"], {"qos": "QoS"})
        local = changes.insert("Port", **rows["port"] | {"interfaces": interface})
        row = _referring(rows["bridge"], changes.remade)
        bridge = changes.insert("Bridge", **row, ports=local)
        changes.mutate("Open_vSwitch", None, ["bridges", "insert", ["set", [bridge]]])
        for collector in rows["collectors"]:
            row = _referring(collector, changes.remade) | {"bridge": bridge}
            changes.insert("Flow_Sample_Collector_Set", **row)
        changes.bridges[self.name] = bridge
        if rows["uuid"] is not None:
            changes.remade[rows["uuid"]] = local
        _mirror_again(look, changes, self.name, local, rows["mirrors"])
        return ()


def bridge_queries(look: Look, bridge: Row) -> Iterator[Query]:
    """Yield the queries for all that :class:`RestoreOvsBridge` keeps beside ports."""
    yield MIRRORS
    collectors = sample_collectors(bridge)
    yield collectors
    for table, reference in _children(bridge):
        yield at(table, reference)
    if (found := look.known(collectors)) is not None:
        yield from (at("IPFIX", reference) for reference in values(found["ipfix"]))


def delete_collectors(look: Look, changes: Changes, bridge: Row) -> None:
    """Delete the rows without which a bridge would stay in the database, unseen by vswitchd."""
    for row in look.all(sample_collectors(bridge)):
        changes.delete("Flow_Sample_Collector_Set", row)


def _children(bridge: Row) -> Iterator[tuple[str, list[str]]]:
    """Yield table and reference of each row that a bridge refers to, but its ports."""
    for column, table in _CHILDREN.items():
        match bridge.get(column, ["set", []]):
            case ["map", pairs]:
                yield from ((table, reference) for _, reference in pairs)
            case value:
                yield from ((table, reference) for reference in values(value))


def _mirrors_of(look: Look, port: Row) -> list[tuple[str, str, list[str]]]:
    """Return UUID and name of each mirror that has a port, and in which of its columns."""
    found = []
    for mirror in look.all(MIRRORS):
        columns = [c for c in _MIRRORED if ref(port) in values(mirror[c])]
        if columns:
            found.append((ref(mirror)[1], str(mirror["name"]), columns))
    return found


def _mirror_again(
    look: Look,
    changes: Changes,
    name: str,
    port: list[str],
    mirrors: list[tuple[str, str, list[str]]],
) -> None:
    """Refer to a port from the mirrors that had it; note those which no longer can."""
    for uuid, called, columns in mirrors:
        there = None
        mirror = changes.remade.get(uuid)
        if mirror is None:
            there = look.at("Mirror", ("uuid", uuid))
            if there is None:
                lost = f"# mirror {called or uuid} has gone: {name} is not in it again"
                changes.lost.append(lost)
                continue
            mirror = ref(there)
        for column in columns:
            if column != "output_port":
                changes.mutate("Mirror", mirror, [column, "insert", ["set", [port]]])
            elif there is not None and values(there[column]):
                by_now = f"# mirror {called or uuid} has another output_port by now than {name}"
                changes.lost.append(by_now)
            else:
                changes.fill("Mirror", mirror, column, port)


def _mirror_words(name: str, mirrors: list[tuple[str, str, list[str]]]) -> list[str]:
    """Return what ovs-vsctl(8) takes to refer to a port from the mirrors that had it."""
    words = [
        f"add Mirror {quote(called or uuid)} {column} @port"
        for uuid, called, columns in mirrors
        for column in columns
    ]
    return [f"--id=@port get Port {name}", *words] if words else []


def _referring(row: Row, made: Mapping[str, list[str]]) -> Row:
    """Return a row in which references to rows that were made again name the new rows."""

    def replaced(value: Any) -> Any:
        match value:
            case ["uuid", str(uuid)]:
                return made.get(uuid, value)
            case ["set", list(members)]:
                return ["set", [replaced(member) for member in members]]
            case ["map", list(pairs)]:
                return ["map", [[key, replaced(member)] for key, member in pairs]]
            case _:
                return value

    return {column: replaced(value) for column, value in row.items()}


def _there(look: Look, table: str, value: Any) -> Any:
    """Return those references of a column whose rows are there."""
    match value:
        case ["map", pairs]:
            return ["map", [pair for pair in pairs if look.at(table, pair[1]) is not None]]
        case _:
            return ["set", [r for r in values(value) if look.at(table, r) is not None]]


def _without_gone(
    look: Look, changes: Changes, what: str, row: Row, tables: Mapping[str, str]
) -> None:
    """Take out of a row the references to rows that others have deleted meanwhile; note them.

    :param tables: the table that each column refers to.
    """
    for column, table in tables.items():
        if column not in row:
            continue
        there = _there(look, table, row[column])
        had = row[column][1] if row[column][0] == "map" else values(row[column])
        if len(there[1]) < len(had):
            changes.lost.append(f"# {what}: a row of {table} that it referred to has gone")
            row[column] = there


@dataclasses.dataclass(frozen=True)
class RestoreOvsInterface(_Restore):
    """An Interface has what it had before it was plugged again."""

    @classmethod
    def of(cls, look: Look, interface: Row, keys: list[str]) -> Self:
        """Return the step that restores an Interface.

        :param interface: the row before it was changed.
        :param keys: the keys of ``external_ids`` that are changed.
        """
        has = mapping(interface["external_ids"])
        rows = {
            "columns": {
                column: interface[column]
                for column in _CHANGED
                if look.has_column("Interface", column)
            },
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
