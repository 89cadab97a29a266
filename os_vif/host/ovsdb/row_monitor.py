# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Notifications of ovsdb-server about changed rows: one ``monitor_cond`` of a few columns.

A caller waits for :meth:`RowMonitor.fileno` in a selector, and learns the names of the bridges, ports
and interfaces whose rows have changed. Statistics are not monitored: ovs-vswitchd writes them every
five seconds.

Sources: RFC 7047, 4.1.5 and 4.1.6; ovsdb-server(7), 4.1.12 (``monitor_cond``, since release 2.6) and
4.1.14 (``update2``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.ovsdb import replies
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.connection_state import lock_name
from os_vif.host.ovsdb.deadline import Deadline

if TYPE_CHECKING:
    from os_vif.host.ovsdb.remotes import Target

_DATABASE = "Open_vSwitch"
_ID = "os-vif"
#: The monitored columns: those that a check reads, and that change with a port.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Bridge": ("name", "ports", "datapath_type"),
    "Port": ("name", "interfaces", "tag", "trunks", "vlan_mode", "qos"),
    "Interface": ("name", "type", "options", "external_ids", "mtu_request", "ofport", "error"),
}
#: Columns with references, and the table of the referenced rows.
_REFERENCES = {"Bridge": ("ports", "Port"), "Port": ("interfaces", "Interface")}


class RowMonitor(Ovsdb):
    """A connection whose server reports each change of a bridge, port or interface.

    Not for several threads at once. Any error means that changes may be lost: the caller opens a new
    monitor, and reads all rows.
    """

    def __init__(self, target: Target) -> None:
        """Connect, and start the monitor.

        :raises os_vif.exception.OvsdbError: if the server cannot be reached, or refuses.
        """
        self._is_started = False
        super().__init__(target.connection, target.timeout, target.tls, target.opener)
        #: Changes that arrived before the answer to a request.
        self._unread: dict[str, bool] = {}
        #: Names of rows by table and UUID.
        self._names: dict[tuple[str, str], str] = {}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        requests = {
            table: [{"columns": [c for c in columns if self.schema.has(table, c)]}]
            for table, columns in _COLUMNS.items()
        }
        params = [_DATABASE, _ID, requests]
        try:
            initial = self._call("monitor_cond", params, self._deadline)
        except exception.OvsdbRefused:
            initial = self._call("monitor", params, self._deadline)
        try:
            self._note(initial)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error

        self._is_started = True

    @property
    def _deadline(self) -> Deadline:
        """The deadline of the start; then a deadline of its own for each message."""
        return Deadline(self.timeout) if self._is_started else super()._deadline

    def fileno(self) -> int:
        """Return the descriptor of the connection, for a selector."""
        return self._open_stream.fileno()

    @property
    def has_unread(self) -> bool:
        """True if :meth:`read` returns changes although the descriptor is not ready."""
        return bool(self._unread)

    def is_locked(self, port: str) -> bool:
        """Return whether a plan of any process holds the lock on a port.

        The lock is requested and given back at once.

        :raises os_vif.exception.OvsdbNoAnswer: if the connection is lost.
        """
        name = lock_name(port)
        granted = self._call("lock", [name], self._deadline)
        self._call("unlock", [name], self._deadline)
        try:
            return not replies.is_locked(granted)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error

    def _receive(
        self, deadline: Deadline, late: str | None = None, first: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the next message; keep the changes of a notification."""
        message = super()._receive(deadline, late, first)
        match message.get("method"), message.get("params"):
            case (("update" | "update2"), [str(_), updates]):
                try:
                    self._unread |= self._note(updates)
                except OSError as error:
                    raise self._no_answer(error, deadline) from error
        return message

    def read(self) -> dict[str, bool]:
        """Return the names of the changed bridges, ports and interfaces, without waiting.

        The server's probes are answered.

        :returns: whether a row of the name exists, by name.
        :raises os_vif.exception.OvsdbNoAnswer: if the connection is lost.
        """
        names, self._unread = self._unread, {}
        stream = self._open_stream
        try:
            for message in stream.receive_available():
                replies.message(message)
                match message.get("method"), message.get("params"):
                    case "echo", params:
                        stream.send(
                            {"id": message.get("id"), "result": params, "error": None},
                            self._deadline,
                        )
                    case (("update" | "update2"), [str(_), updates]):
                        names |= self._note(updates)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error
        return names

    def _note(self, updates: Any) -> dict[str, bool]:
        """Record the names in updates, and return the names of all changed rows.

        :raises OSError: ``EPROTO`` if the updates are malformed.
        """
        changed: set[str] = set()
        references: set[tuple[str, str]] = set()
        for table, rows in _members(updates):
            if table not in _COLUMNS:
                continue
            for uuid, row in _members(rows):
                parts = {kind: dict(_members(part or {})) for kind, part in _members(row)}
                changed |= self._note_row(table, uuid, parts)
                references |= _changed_references(table, parts)
        changed.update(name for ref in references if (name := self._names.get(ref)) is not None)
        present = set(self._names.values())
        return {name: name in present for name in changed}

    def _note_row(self, table: str, uuid: str, parts: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Record the name of a changed row; return the name, and the name before.

        A row whose references alone have changed is left out: a new port changes the bridge.
        """
        row = table, uuid
        names = {self._names[row]} if row in self._names else set()
        for columns in parts.values():
            if isinstance(name := columns.get("name"), str):
                names.add(name)
                self._names[row] = name
        if "delete" in parts or ("old" in parts and "new" not in parts):
            self._names.pop(row, None)
            return names
        changed = parts.get("modify", parts.get("old"))
        column, _ = _REFERENCES.get(table, (None, None))
        return set() if changed is not None and changed.keys() <= {column} else names


def _members(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object.

    :raises OSError: ``EPROTO`` for another value.
    """
    if not isinstance(found, dict):
        replies.malformed("an update", found)
    yield from found.items()


def _changed_references(
    table: str, parts: Mapping[str, Mapping[str, Any]]
) -> set[tuple[str, str]]:
    """Return table and UUID of the rows that a changed row refers to now or before, not both."""
    if table not in _REFERENCES:
        return set()
    column, target = _REFERENCES[table]
    found: set[tuple[str, str]] = set()
    for columns in parts.values():
        if column in columns:
            found ^= {(target, uuid) for uuid in _uuids(columns[column])}
    return found


def _uuids(value: Any) -> Iterator[str]:
    """Yield the UUIDs of a column of references."""
    match value:
        case ["uuid", str(uuid)]:
            yield uuid
        case ["set", list(members)]:
            for member in members:
                yield from _uuids(member)
