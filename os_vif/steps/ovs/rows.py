# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a switch has, row by row; what is to be changed in one transaction; a step of that kind.

Source: ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import abc
import dataclasses
import errno
import json
import re
import uuid
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from os_vif.host import limits
from os_vif.host.ovsdb.answers import text_of
from os_vif.host.ovsdb.connection import values
from os_vif.steps import validate
from os_vif.steps.plan import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from os_vif.host.ovsdb.connection import Operation, Ovsdb, Row
    from os_vif.steps.plan import Difference

#: The QoS row of a port has ``external_ids:id``, a UUID of version 5 of the port's name in this
#: namespace. The public os-vif made it so.
_QOS_NAMESPACE = uuid.UUID("68da264a-847f-42a8-8ab0-5e774aee3d95")
_LOCKS = uuid.UUID("7c0d1c7e-0f2b-4a52-9d3e-0a6a1e6f5b1c")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Columns that vswitchd writes, or that are of one row and no other.
_STATUS = {
    "_uuid", "_version", "admin_state", "bfd_status", "datapath_id", "datapath_version", "bond_active_slave", "cfm_fault",
    "cfm_fault_status", "cfm_flap_count", "cfm_health", "cfm_remote_mpids", "cfm_remote_opstate",
    "duplex", "error", "ifindex", "is_connected", "lacp_current", "link_resets", "link_speed", "link_state",
    "mac_in_use", "mtu", "ofport", "role", "rstp_statistics", "rstp_status", "statistics", "status",
}  # fmt: skip


def qos_id(port: str) -> str:
    """What ``external_ids:id`` of a port's QoS row is."""
    return str(uuid.uuid5(_QOS_NAMESPACE, port))


def lock_name(port: str) -> str:
    """Return the name of the lock of a port, of letters, digits and _ (RFC 7047, 3.1).

    The ports of a VIF differ in their prefixes only. They have one lock, which one question gets.
    """
    return f"os_vif_{uuid.uuid5(_LOCKS, port[3:14] or port).hex}"


def ref(row: Row) -> list[str]:
    """A row, as others refer to it."""
    reference: list[str] = row["_uuid"]
    return reference


def settings(row: Row) -> Row:
    """What somebody has configured of a row: all that differs from an empty column."""
    empty: tuple[Any, ...] = (["set", []], ["map", []], "")
    return {c: value for c, value in row.items() if c not in _STATUS and value not in empty}


def assignments(row: Row) -> str:
    """A row's settings, as ovs-vsctl(8) takes them."""
    words: list[str] = []
    for column, value in row.items():
        match value:
            case ["map", pairs]:
                words += [f"{column}:{_text(key)}={_text(member)}" for key, member in pairs]
            case _:
                members = [_text(member) for member in values(value)]
                one = members[0] if len(members) == 1 else f"[{','.join(members)}]"
                words.append(f"{column}={one}")
    return " ".join(quote(word) for word in words)


def _text(value: Any) -> str:
    match value:
        case ["uuid" | "named-uuid", str(name)]:
            return name
        case str() if value.replace("-", "").replace("_", "").isalnum() and value.isascii():
            return value
        case _:
            return json.dumps(value)


_DATAPATH = "is its datapath_type one of ovs-vswitchd's, and for system the kernel module openvswitch loaded?"

#: What is asked of a table: a column, a function and a value of RFC 7047, 5.1, and the columns
#: that matter; none are all.
Query = tuple[str, str, str, Any, tuple[str, ...]]

#: Of a Bridge, its ports are left out: they may be thousands. Of an Interface, its statistics.
COLUMNS = {
    "Bridge": ("_uuid", "name", "datapath_id", "datapath_type"),
    "Port": ("_uuid", "name", "interfaces"),
    "Interface": (
        "_uuid", "name", "type", "options", "external_ids", "mtu_request", "ofport", "error",
        "ifindex",
    ),
}  # fmt: skip


def named(table: str, name: str) -> Query:
    """A row by its name, and what most steps look at."""
    return (table, "name", "==", name, COLUMNS[table])


def whole(table: str, name: str) -> Query:
    """All of a row, by its name."""
    return (table, "name", "==", name, ())


def at(table: str, reference: Sequence[str]) -> Query:
    """All of a row that another refers to."""
    return (table, "_uuid", "==", tuple(reference), ())


def is_user_space(datapath_type: str) -> bool:
    """Return whether the datapath of a bridge is not the kernel's, of which ``""`` is a name."""
    return datapath_type not in ("", "system")


def require_name(bridge: str, datapath_type: str) -> None:
    """Refuse to make a bridge that could not open.

    :raises OSError: ``ENAMETOOLONG`` for a name that only a bridge in user space may have.
    """
    if validate.is_long(bridge) and not is_user_space(datapath_type):
        reason = f"{bridge} has more than {limits.MAX_NAME} bytes: {validate.USER_SPACE}"
        raise OSError(errno.ENAMETOOLONG, reason)


def holder(port: Row) -> Query:
    """The bridge that a port is in."""
    return ("Bridge", "ports", "includes", ("set", (tuple(ref(port)),)), ("_uuid", "name"))


#: All mirrors of all bridges. A switch has few, and those that a port is in are found by its row.
MIRRORS: Query = ("Mirror", "_uuid", "!=", ("uuid", str(uuid.UUID(int=0))), ())


def sample_collectors(bridge: Row) -> Query:
    """Return the query for the rows of Flow_Sample_Collector_Set that refer to a bridge."""
    return ("Flow_Sample_Collector_Set", "bridge", "==", tuple(ref(bridge)), ())


def with_id(interface_id: str) -> Query:
    """Return the query for the Interfaces that have an ``external_ids:iface-id``."""
    wanted = ("map", (("iface-id", interface_id),))
    return ("Interface", "external_ids", "includes", wanted, COLUMNS["Interface"])


def qos_rows(port: str) -> Query:
    """The QoS rows that were made for a port of that name, whether it refers to them or not."""
    return ("QoS", "external_ids", "includes", ("map", (("id", qos_id(port)),)), ())


def closed_by(interface: Row) -> str | None:
    """Return why vswitchd has not opened a port; None if it has."""
    errors = values(interface["error"])
    if errors:
        return text_of(errors[0])
    (ofport,) = values(interface["ofport"]) or (None,)
    if ofport is None:
        return "not seen by ovs-vswitchd"
    # A patch port without its peer, and a device of DPDK where there is none.
    return "not opened by ovs-vswitchd" if ofport < 0 else None


def qos_users(qos: Row) -> Query:
    """Return the query for the ports that refer to a QoS row."""
    return ("Port", "qos", "includes", ("set", (tuple(ref(qos)),)), ("_uuid", "name"))


class Look:
    """What a switch has now. Each row is read once.

    :param steps: what they read is read at once, and not one after the other.
    :param more: queries that are read with them.
    """

    def __init__(
        self, ovsdb: Ovsdb, steps: Sequence[OvsStep] = (), more: Sequence[Query] = ()
    ) -> None:
        self._ovsdb = ovsdb
        self._known: dict[Query, list[Row]] = {}
        while wanted := [
            query
            for queries in (more, *(step.reads(self) for step in steps))
            for query in queries
            if query not in self._known
        ]:
            self.read(wanted)

    def read(self, queries: Iterable[Query], *first: Operation) -> None:
        """:param first: operations that come before, such as one that waits."""
        wanted = list(dict.fromkeys(queries))
        results = self._ovsdb.transact(*first, *map(_select, wanted))[len(first) :]
        self._known |= {q: result["rows"] for q, result in zip(wanted, results, strict=True)}
        self._ovsdb.memory.update(
            (query, rows[0])
            for query in wanted
            if query[0] in ("Port", "QoS") and (rows := self._known[query])
        )

    def known(self, query: Query) -> Row | None:
        """A row that has been read already; or as it was seen before, to ask for others by it."""
        if query not in self._known:
            return self._ovsdb.memory.get(query)
        found = self._known[query]
        return found[0] if found else None

    def bridge(self, name: str) -> Row | None:
        return self.one(named("Bridge", name))

    def port(self, name: str) -> Row | None:
        return self.one(named("Port", name))

    def interface(self, name: str) -> Row | None:
        return self.one(named("Interface", name))

    def bridge_of(self, port: Row) -> Row | None:
        return self.one(holder(port))

    def whole(self, table: str, name: str) -> Row | None:
        return self.one(whole(table, name))

    def at(self, table: str, reference: Sequence[str]) -> Row | None:
        return self.one(at(table, reference))

    def qos_of(self, port: str) -> list[Row]:
        return self.all(qos_rows(port))

    def fault_of_bridge(self, name: str) -> str | None:
        """Return why vswitchd has not opened a bridge, or None if it has."""
        bridge, interface = self.bridge(name), self.interface(name)
        why = "it has no port of its own" if interface is None else closed_by(interface)
        if why is None:
            return None
        if (
            bridge is not None
            and validate.is_long(name)
            and is_user_space(bridge["datapath_type"])
            and values(bridge["datapath_id"])
        ):
            # It forwards. Another bridge whose name has the same first 15 bytes has the tap device.
            return None
        return f"{why} ({_DATAPATH})"

    def has_dpdk(self) -> bool:
        """Whether vswitchd can open ports of DPDK."""
        if self.has_column("Open_vSwitch", "dpdk_initialized"):
            rows = self._ovsdb.select("Open_vSwitch", [], ["dpdk_initialized"])
            return bool(rows and rows[0]["dpdk_initialized"])
        # vswitchd registers the types of DPDK when it has initialised it (netdev_dpdk_register).
        rows = self._ovsdb.select("Open_vSwitch", [], ["iface_types"])
        return bool(rows) and "dpdk" in values(rows[0]["iface_types"])

    def has_column(self, table: str, column: str) -> bool:
        """Return whether the schema of the database has a column."""
        return self._ovsdb.schema.has(table, column)

    def all(self, query: Query) -> list[Row]:
        if query not in self._known:
            self.read([query])
        return self._known[query]

    def one(self, query: Query) -> Row | None:
        found = self.all(query)
        return found[0] if found else None


def _select(query: Query) -> Operation:
    table, column, function, value, columns = query
    select = {"op": "select", "table": table, "where": [[column, function, value]]}
    return select | {"columns": columns} if columns else select


class Done(NamedTuple):
    """What a transaction has come to."""

    #: What vswitchd's ``cur_cfg`` is when it has carried it out.
    next_cfg: int
    #: The UUIDs of new rows, by the names that they had meanwhile.
    made: dict[str, str]


def read_next_cfg(rows: Sequence[Row]) -> int:
    """Return ``next_cfg``, or 0 for a database without its row, which nobody carries out."""
    return int(rows[0]["next_cfg"]) if rows else 0


class Changes:
    """The operations of one transaction, which several steps add to.

    :param left: is emptied, and takes a sentence for each bridge that stays because of its ports.
    """

    def __init__(self, left: list[str] | None = None) -> None:
        #: The step that adds now.
        self.step: OvsStep | None = None
        #: Bridges that the transaction makes, by name.
        self.bridges: dict[str, list[str]] = {}
        #: Ports that it takes out of a bridge.
        self.removed: list[list[str]] = []
        #: Rows that an undo inserts again, by the UUID that they had.
        self.remade: dict[str, list[str]] = {}
        #: What an undo cannot restore: lines for an error.
        self.lost: list[str] = []
        self.left = [] if left is None else left
        self.left.clear()
        #: Whether vswitchd is to try again to open what it could not.
        self.again = False
        self._conditions: list[tuple[OvsStep | None, Operation]] = []
        self._operations: list[tuple[OvsStep | None, Operation]] = []

    def __bool__(self) -> bool:
        return bool(self._operations) or self.again

    def bridge(self, look: Look, name: str) -> list[str]:
        """How to refer to a bridge: one that this transaction makes, or one that is there.

        :raises OSError: ``ENODEV`` if there is neither.
        """
        if name in self.bridges:
            return self.bridges[name]
        found = look.bridge(name)
        if found is None:
            raise OSError(errno.ENODEV, f"there is no bridge {name}")
        return ref(found)

    def require(self, table: str, where: list[Any], **columns: Any) -> None:
        """Nothing is done unless one row meets the conditions, and has these columns."""
        wait = {
            "op": "wait",
            "timeout": 0,
            "table": table,
            "where": where,
            "columns": list(columns),
            "until": "==",
            "rows": [columns],
        }
        self._conditions.append((self.step, wait))

    def insert(self, table: str, **row: Any) -> list[str]:
        """:returns: what refers to the new row."""
        name = f"row{len(self._operations)}"
        self._add({"op": "insert", "table": table, "row": row, "uuid-name": name})
        return ["named-uuid", name]

    def update(self, table: str, row: Row, **columns: Any) -> None:
        where = [["_uuid", "==", ref(row)]]
        self._add({"op": "update", "table": table, "where": where, "row": columns})

    def fill(self, table: str, reference: Any, column: str, value: Any) -> None:
        """Set a column that holds one value at most, if the column is empty.

        No condition of ``update`` can tell it: old servers take every condition on an empty column
        for false ("condition: Fix ==, !=, includes, excludes on optional scalars", 2018).
        """
        where = [["_uuid", "==", reference]]
        if reference[0] == "uuid":
            self.require(table, where, **{column: ["set", []]})
        self._add({"op": "update", "table": table, "where": where, "row": {column: value}})

    def mutate(self, table: str, reference: Any, *mutations: list[Any]) -> None:
        """:param reference: of the row; None for the only one of a table."""
        where = [] if reference is None else [["_uuid", "==", reference]]
        self._add({"op": "mutate", "table": table, "where": where, "mutations": list(mutations)})

    def delete(self, table: str, row: Row) -> None:
        self._add({"op": "delete", "table": table, "where": [["_uuid", "==", ref(row)]]})

    def commit(self, ovsdb: Ovsdb) -> Done:
        """:raises os_vif.exception.OvsdbError: as :meth:`os_vif.host.ovsdb.connection.Ovsdb.transact`."""
        cfg: list[Operation] = [
            {"op": "mutate", "table": "Open_vSwitch", "where": [],
             "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
        ]  # fmt: skip
        operations = [operation for _, operation in (*self._conditions, *self._operations)]
        results = ovsdb.transact(*operations, *cfg)
        made = {
            operation["uuid-name"]: result["uuid"][1]
            for operation, result in zip(operations, results, strict=False)
            if "uuid-name" in operation
        }
        return Done(read_next_cfg(results[-1]["rows"]), made)

    def owner(self, operation: int | None) -> OvsStep | None:
        """The step that added an operation of the transaction."""
        owners = [step for step, _ in (*self._conditions, *self._operations)]
        if operation is None or operation >= len(owners):
            return None
        return owners[operation]

    @property
    def text(self) -> str:
        """The operations as text, by which two transactions can be told apart."""
        return repr([operation for _, operation in (*self._conditions, *self._operations)])

    def blamed(self, reason: str) -> OvsStep | None:
        """Return the step whose rows a refusal of the whole transaction names, or None.

        ovsdb-server names rows by their UUIDs, or by the value of an indexed column. The step is
        the one whose operation has most of them: that of a bridge stands in all that change it.
        """
        found = set(_UUID.findall(reason))
        blamed, most = None, 0
        for step, operation in self._operations:
            row = operation.get("row", {})
            count = len(found & set(_UUID.findall(repr(operation))))
            # Only an inserted row has a name that can be there already.
            if operation["op"] == "insert" and isinstance(name := row.get("name"), str):
                count += 3 * (f"({name})" in reason or f"({json.dumps(name)})" in reason)
            if count and count >= most:
                blamed, most = step, count
        return blamed

    def _add(self, operation: Operation) -> None:
        self._operations.append((self.step, operation))


@dataclasses.dataclass(frozen=True)
class OvsStep(Step):
    """One thing that has to hold in the database of Open vSwitch. It needs no right."""

    executor = "ovs"
    #: Whether what comes next in a plan need not wait until vswitchd has carried it out.
    lingers: ClassVar[bool] = False
    #: Whether it has to wait until then even where a plan does not wait for vswitchd at its end.
    settles: ClassVar[bool] = False

    @property
    def port(self) -> str | None:
        """The port that nobody else's plan may touch meanwhile."""
        return None

    def reads(self, look: Look) -> Iterable[Query]:
        """The rows that it looks at, as far as they can be told from those already known.

        They come with one question. A row that is not among them is asked for when it is needed.
        """
        return ()

    @abc.abstractmethod
    def differences(self, look: Look) -> tuple[Difference, ...]:
        """What does not hold now."""

    @abc.abstractmethod
    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        """Add the operations that make it hold.

        :returns: the steps that undo them, in the order to run them. A ``uuid`` of theirs may be
            the name of a row that is yet to be made.
        :raises OSError: if it cannot hold.
        """

    @property
    def outcome(self) -> Query | None:
        """The row that :meth:`fault` looks at."""
        return None

    def fault(self, look: Look) -> str | None:
        """Why it does not hold, though the database has it, now that vswitchd has seen it."""
        return None
