# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Undo steps that insert or update rows of Open vSwitch with the former values.

A row inserted again has a new UUID, and a port a new OpenFlow number. Rows with references to the
former row, such as mirrors, are changed in the same transaction. Rows deleted with a bridge, such
as controllers, are inserted again, unless another bridge has kept the rows.
"""

from __future__ import annotations

import dataclasses
import json
from shlex import quote
from typing import TYPE_CHECKING, Any, Self

from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.notation import mapping, ref, values
from os_vif.steps import validate
from os_vif.steps.ovs.step import OvsStep
from os_vif.steps.ovs.vsctl import assignments
from os_vif.steps.plan import NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from os_vif.host.ovsdb.notation import Reference, Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import OwnedTransaction
    from os_vif.steps.plan import Difference

#: Size limit of the JSON text of the rows of a port, in bytes.
_MAX_BYTES = 2**20
#: Columns of a bridge with references, and the tables of the rows. ovsdb-server deletes a row
#: with the last reference to the row.
_CHILDREN = {
    "auto_attach": "AutoAttach",
    "controller": "Controller",
    "flow_tables": "Flow_Table",
    "ipfix": "IPFIX",
    "mirrors": "Mirror",
    "netflow": "NetFlow",
    "sflow": "sFlow",
}
#: Columns of a Mirror with references to ports. ovsdb-server removes a deleted port.
_MIRROR_COLUMNS = ("select_src_port", "select_dst_port", "output_port")
#: Columns of an Interface that a plug may change, apart from ``external_ids``.
_RESTORED_COLUMNS = ("type", "options", "mtu_request")
#: Columns written by ovs-vswitchd, or unique to a row.
_STATUS_COLUMNS = query.UNREAD_COLUMNS | {
    "_uuid", "_version", "datapath_id", "datapath_version", "error", "ifindex", "is_connected",
    "mtu", "ofport", "role",
}  # fmt: skip


#: UUID, name, and columns with references to a port.
_Mirror = tuple[str, str, list[str]]


def configured_columns(row: Row) -> Row:
    """Return the configured columns of a row: all that differ from an empty column."""
    empty: tuple[Any, ...] = (["set", []], ["map", []], "")
    return {c: v for c, v in row.items() if c not in _STATUS_COLUMNS and v not in empty}


@dataclasses.dataclass(frozen=True)
class _Restore(NamedStep, OvsStep):
    #: The former rows, as JSON text.
    rows: str

    def validate(self) -> None:
        validate.port_name(self, "name")
        validate.text(self, "rows", _MAX_BYTES)

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        return ()

    @property
    def _rows(self) -> Any:
        return json.loads(self.rows)


@dataclasses.dataclass(frozen=True)
class RestoreOvsPort(_Restore):
    """A port is in a bridge with the former settings and QoS row, unless the name is in use.

    The mirrors of the former port refer to the port.
    """

    bridge: str

    def validate(self) -> None:
        super().validate()
        validate.bridge_name(self, "bridge")

    @classmethod
    def of(cls, snapshot: Snapshot, bridge: str, port: Row, qos: list[Row]) -> Self:
        """Return the step that restores a port.

        :param qos: the QoS rows that are deleted with the port.
        """
        rows = {
            "port": configured_columns(port),
            "interfaces": [
                configured_columns(found)
                for reference in values(port["interfaces"])
                if (found := snapshot.row_at("Interface", reference)) is not None
            ],
            "qos": next(
                (configured_columns(row) for row in qos if ref(row) in values(port["qos"])), None
            ),
            "uuid": ref(port)[1],
            "mirrors": _mirrors_with(snapshot, port),
        }
        return cls(port["name"], json.dumps(rows), bridge)

    @property
    def port(self) -> str:
        """The name of the port."""
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
        return (" -- ".join([*words, *_mirror_commands(name, rows["mirrors"])]),)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        if snapshot.port(self.name) is not None:
            return ()
        bridge = transaction.bridge(snapshot, self.bridge)
        rows = self._rows
        row = rows["port"]
        if rows["qos"] is not None:
            _drop_dangling_references(
                snapshot, transaction, f"QoS of {self.name}", rows["qos"], {"queues": "Queue"}
            )
            row["qos"] = transaction.insert("QoS", **rows["qos"])
        else:
            _drop_dangling_references(
                snapshot, transaction, f"Port {self.name}", row, {"qos": "QoS"}
            )
        made = [transaction.insert("Interface", **interface) for interface in rows["interfaces"]]
        row["interfaces"] = ["set", made]
        port = transaction.insert("Port", **row)
        transaction.effects.recreated[rows["uuid"]] = port
        transaction.mutate("Bridge", bridge, ["ports", "insert", ["set", [port]]])
        _insert_into_mirrors(snapshot, transaction, self.name, port, rows["mirrors"])
        return ()


@dataclasses.dataclass(frozen=True)
class RestoreOvsBridge(_Restore):
    """A bridge has the former settings, without ports, unless the name is in use.

    Controllers, mirrors and further rows of the bridge are inserted again, unless another bridge
    has kept the rows. Rows with references to the bridge are inserted too.
    """

    def validate(self) -> None:
        validate.bridge_name(self, "name")
        validate.text(self, "rows", _MAX_BYTES)

    @classmethod
    def of(cls, snapshot: Snapshot, bridge: Row) -> Self:
        """Return the step that restores a bridge."""
        port, interface = (
            snapshot.full_row(table, bridge["name"]) for table in ("Port", "Interface")
        )
        collectors = snapshot.rows(query.sample_collectors_of(bridge))
        kept = [
            *_child_references(bridge),
            *(("IPFIX", r) for row in collectors for r in values(row["ipfix"])),
        ]
        rows = {
            "bridge": {
                c: value for c, value in configured_columns(bridge).items() if c != "ports"
            },
            "port": {} if port is None else configured_columns(port),
            "interface": {} if interface is None else configured_columns(interface),
            "children": {
                uuid: [table, configured_columns(found)]
                for table, (_, uuid) in kept
                if (found := snapshot.row_at(table, ("uuid", uuid))) is not None
            },
            "collectors": [configured_columns(row) for row in collectors],
            "uuid": None if port is None else ref(port)[1],
            "mirrors": [] if port is None else _mirrors_with(snapshot, port),
        }
        return cls(bridge["name"], json.dumps(rows))

    def commands(self) -> tuple[str, ...]:
        rows, name = self._rows, quote(self.name)
        words, made = [f"ovs-vsctl add-br {name}"], {}
        for number, (uuid, (table, child)) in enumerate(rows["children"].items()):
            made[uuid] = ["uuid", f"@row{number}"]
            row = {c: v for c, v in child.items() if c not in _MIRROR_COLUMNS}
            words.append(f"--id=@row{number} create {table} {assignments(row)}".rstrip())
        for table in ("Bridge", "Port", "Interface"):
            row = {c: v for c, v in rows[table.lower()].items() if c not in ("name", "interfaces")}
            if table == "Interface":
                row.pop("type", None)
            if row:
                words.append(f"set {table} {name} {assignments(_with_new_references(row, made))}")
        if rows["collectors"]:
            words.append(f"--id=@bridge get Bridge {name}")
        for collector in rows["collectors"]:
            row = _with_new_references(collector, made) | {"bridge": ["uuid", "@bridge"]}
            words.append(f"create Flow_Sample_Collector_Set {assignments(row)}")
        return (" -- ".join([*words, *_mirror_commands(name, rows["mirrors"])]),)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        if snapshot.bridge(self.name) is not None:
            return ()
        rows = self._rows
        for uuid, (table, child) in rows["children"].items():
            if (
                uuid in transaction.effects.recreated
                or snapshot.row_at(table, ("uuid", uuid)) is not None
            ):
                continue
            # The ports of the bridge are inserted later, and then added to their mirrors.
            row = {c: v for c, v in child.items() if c not in _MIRROR_COLUMNS}
            others = {
                c: _existing_references(snapshot, "Port", child[c])
                for c in _MIRROR_COLUMNS
                if c in child
            }
            transaction.effects.recreated[uuid] = transaction.insert(table, **row, **others)
        interface = transaction.insert("Interface", **rows["interface"])
        _drop_dangling_references(
            snapshot, transaction, f"Port {self.name}", rows["port"], {"qos": "QoS"}
        )
        local = transaction.insert("Port", **rows["port"] | {"interfaces": interface})
        row = _with_new_references(rows["bridge"], transaction.effects.recreated)
        bridge = transaction.insert("Bridge", **row, ports=local)
        transaction.mutate("Open_vSwitch", None, ["bridges", "insert", ["set", [bridge]]])
        for collector in rows["collectors"]:
            row = _with_new_references(collector, transaction.effects.recreated) | {
                "bridge": bridge
            }
            transaction.insert("Flow_Sample_Collector_Set", **row)
        transaction.effects.bridges[self.name] = bridge
        if rows["uuid"] is not None:
            transaction.effects.recreated[rows["uuid"]] = local
        _insert_into_mirrors(snapshot, transaction, self.name, local, rows["mirrors"])
        return ()


def bridge_queries(snapshot: Snapshot, bridge: Row) -> Iterator[Query]:
    """Yield the queries for the rows that :class:`RestoreOvsBridge` keeps, except ports."""
    yield query.MIRRORS
    collectors = query.sample_collectors_of(bridge)
    yield collectors
    for table, reference in _child_references(bridge):
        yield query.by_reference(table, reference)
    if (found := snapshot.cached_row(collectors)) is not None:
        yield from (query.by_reference("IPFIX", reference) for reference in values(found["ipfix"]))


def delete_collectors(
    snapshot: Snapshot, transaction: OwnedTransaction[OvsStep], bridge: Row
) -> None:
    """Delete the sample collectors of a bridge.

    The references of the rows would keep the bridge in the database, unknown to ovs-vswitchd.
    """
    for row in snapshot.rows(query.sample_collectors_of(bridge)):
        transaction.delete("Flow_Sample_Collector_Set", row)


def _child_references(bridge: Row) -> Iterator[tuple[str, Reference]]:
    """Yield table and reference of each row that a bridge refers to, except ports."""
    for column, table in _CHILDREN.items():
        match bridge.get(column, ["set", []]):
            case ["map", pairs]:
                yield from ((table, reference) for _, reference in pairs)
            case value:
                yield from ((table, reference) for reference in values(value))


def _mirrors_with(snapshot: Snapshot, port: Row) -> list[_Mirror]:
    """Return the mirrors of a port: UUID, name, and the columns with the port."""
    found = []
    for mirror in snapshot.rows(query.MIRRORS):
        columns = [c for c in _MIRROR_COLUMNS if ref(port) in values(mirror[c])]
        if columns:
            found.append((ref(mirror)[1], str(mirror["name"]), columns))
    return found


def _insert_into_mirrors(
    snapshot: Snapshot,
    transaction: OwnedTransaction[OvsStep],
    name: str,
    port: Reference,
    mirrors: list[_Mirror],
) -> None:
    """Add a port to the former mirrors; record the mirrors without the port.

    :param port: the reference to the new port.
    """
    for uuid, called, columns in mirrors:
        there = None
        mirror = transaction.effects.recreated.get(uuid)
        if mirror is None:
            there = snapshot.row_at("Mirror", ("uuid", uuid))
            if there is None:
                lost = f"# mirror {called or uuid} was deleted: {name} cannot be added to it"
                transaction.effects.not_restored.append(lost)
                continue
            mirror = ref(there)
        for column in columns:
            if column != "output_port":
                transaction.mutate("Mirror", mirror, [column, "insert", ["set", [port]]])
            elif there is not None and values(there[column]):
                by_now = f"# mirror {called or uuid} has another output_port than {name}"
                transaction.effects.not_restored.append(by_now)
            else:
                transaction.fill("Mirror", mirror, column, port)


def _mirror_commands(name: str, mirrors: list[_Mirror]) -> list[str]:
    """Return the arguments of ovs-vsctl(8) that add a port to the former mirrors."""
    words = [
        f"add Mirror {quote(called or uuid)} {column} @port"
        for uuid, called, columns in mirrors
        for column in columns
    ]
    return [f"--id=@port get Port {name}", *words] if words else []


def _with_new_references(row: Row, made: Mapping[str, Reference]) -> Row:
    """Return a row with references to new rows in place of the former rows."""

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


def _existing_references(snapshot: Snapshot, table: str, value: Any) -> Any:
    """Return the references of a column to existing rows."""
    match value:
        case ["map", pairs]:
            return ["map", [pair for pair in pairs if snapshot.row_at(table, pair[1]) is not None]]
        case _:
            return ["set", [r for r in values(value) if snapshot.row_at(table, r) is not None]]


def _drop_dangling_references(
    snapshot: Snapshot,
    transaction: OwnedTransaction[OvsStep],
    what: str,
    row: Row,
    tables: Mapping[str, str],
) -> None:
    """Remove references to deleted rows from a row; record each removal.

    :param tables: the table of each column's references.
    """
    for column, table in tables.items():
        if column not in row:
            continue
        there = _existing_references(snapshot, table, row[column])
        had = row[column][1] if row[column][0] == "map" else values(row[column])
        if len(there[1]) < len(had):
            transaction.effects.not_restored.append(
                f"# {what}: a row of {table} that it referred to was deleted"
            )
            row[column] = there


@dataclasses.dataclass(frozen=True)
class RestoreOvsInterface(_Restore):
    """An Interface has the columns and ids of before a repeated plug."""

    @classmethod
    def of(cls, snapshot: Snapshot, interface: Row, keys: list[str]) -> Self:
        """Return the step that restores an Interface.

        :param interface: the row before the change.
        :param keys: the changed keys of ``external_ids``.
        """
        has = mapping(interface["external_ids"])
        rows = {
            "columns": {
                column: interface[column]
                for column in _RESTORED_COLUMNS
                if snapshot.has_column("Interface", column)
            },
            "ids": {key: has.get(key) for key in keys},
        }
        return cls(interface["name"], json.dumps(rows))

    @property
    def port(self) -> str:
        """The name of the port."""
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

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        interface = snapshot.interface(self.name)
        if interface is None:
            return ()
        rows = self._rows
        transaction.update("Interface", interface, **rows["columns"])
        kept = [[key, value] for key, value in rows["ids"].items() if value is not None]
        if rows["ids"]:
            transaction.mutate(
                "Interface",
                ref(interface),
                ["external_ids", "delete", ["set", list(rows["ids"])]],
                ["external_ids", "insert", ["map", kept]],
            )
        return ()
