# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps on ports of Open vSwitch."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar

from os_vif.device_names import TRUNK_BRIDGE
from os_vif.host import limits
from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.notation import mapping, ref, values
from os_vif.steps import validate
from os_vif.steps.ovs import port_rows
from os_vif.steps.ovs.restore import RestoreOvsInterface, RestoreOvsPort
from os_vif.steps.ovs.stale_devices import device_index, has_stale_device
from os_vif.steps.ovs.step import DeleteRowStep, OvsStep, Wait
from os_vif.steps.ovs.vsctl import assignments
from os_vif.steps.ovs.vswitchd import has_dpdk, open_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import OwnedTransaction
    from os_vif.steps.plan import Difference

#: The VLAN in which Neutron keeps a port before the port is wired.
DEAD_VLAN = 4095

#: The key of ``external_ids`` with the owner of a VIF, on an Interface that os-vif has created. The
#: database outlives a reboot, unlike the record of the VIF.
OWNER_ID = "os-vif-owner"

Pairs = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class EnsureOvsPort(OvsStep):
    """A port is in a bridge of Open vSwitch. A port in another bridge is refused.

    Further keys of ``external_ids`` and ``options`` stay.
    Equivalent to: ``ovs-vsctl --may-exist add-port BRIDGE NAME -- set Interface NAME ...``
    """

    bridge: str
    name: str
    #: ``type`` of the Interface; empty for a network device, None for any type.
    type: str | None = ""
    #: ``external_ids`` of the Interface, as pairs.
    external_ids: Pairs = ()
    #: ``options`` of the Interface, as pairs.
    options: Pairs = ()
    #: MTU in bytes, for a port without a network device.
    mtu_request: int | None = None
    #: Create the port in the dead VLAN, without traffic.
    isolated: bool = False
    #: ``type`` of the QoS row of a new port.
    qos: str | None = None
    #: ovs-vswitchd must open the port. Otherwise the port waits for the hypervisor.
    must_open: bool = False

    @property
    def device(self) -> str:
        """The name of the port."""
        return self.name

    @property
    def port(self) -> str:
        """The name of the port."""
        return self.name

    def validate(self) -> None:
        validate.bridge_name(self, "bridge")
        validate.port_name(self, "name")
        validate.other(self, "name", self.bridge)
        validate.text(self, "type", 32, optional=True)
        validate.pairs(self, "external_ids")
        validate.pairs(self, "options")
        validate.integer(self, "mtu_request", limits.MIN_MTU, limits.MAX_MTU, optional=True)
        validate.boolean(self, "isolated")
        validate.text(self, "qos", 32, optional=True)
        validate.boolean(self, "must_open")

    @property
    def _interface_columns(self) -> Row:
        row: Row = {"external_ids": ["map", [list(pair) for pair in self.external_ids]]}
        if self.type:
            row["type"] = self.type
        if self.options:
            row["options"] = ["map", [list(pair) for pair in self.options]]
        if self.mtu_request is not None:
            row["mtu_request"] = self.mtu_request
        return row

    @property
    def _port_columns(self) -> Row:
        if not self.isolated:
            return {}
        return {"tag": DEAD_VLAN, "vlan_mode": "trunk", "trunks": DEAD_VLAN}

    @property
    def _qos_columns(self) -> Row:
        ids = [["id", query.qos_id(self.name)], ["_type", self.qos]]
        return {"type": self.qos, "external_ids": ["map", ids]}

    def commands(self) -> tuple[str, ...]:
        name = quote(self.name)
        words = [f"ovs-vsctl --may-exist add-port {quote(self.bridge)} {name}"]
        port = self._port_columns
        if self.qos is not None:
            words.append(f"--id=@qos create QoS {assignments(self._qos_columns)}")
        if port or self.qos is not None:
            qos = " qos=@qos" if self.qos is not None else ""
            words.append(f"set Port {name} {assignments(port)}{qos}".replace("  ", " "))
        if interface := assignments(self._interface_columns):
            words.append(f"set Interface {name} {interface}")
        return (" -- ".join(words),)

    def prefetch(self, snapshot: Snapshot) -> Iterator[Query]:
        yield query.by_name("Bridge", self.bridge)
        yield query.by_name("Interface", self.name)
        yield query.by_name("Port", self.name)
        if (port := snapshot.cached_row(query.by_name("Port", self.name))) is not None:
            yield query.bridge_with_port(port)

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        port, interface = snapshot.port(self.name), snapshot.interface(self.name)
        conflict = port_rows.find_conflict(snapshot, self.name)
        if port is None:
            return (self.difference("port", conflict or "missing", f"in {self.bridge}"),)
        bridge = snapshot.bridge_of(port)
        if bridge is None or bridge["name"] != self.bridge:
            place = "in no bridge" if bridge is None else f"in {bridge['name']}"
            return (self.difference("port", place, f"in {self.bridge}"),)
        if conflict is not None or interface is None:
            return (self.difference("port", conflict, port_rows.OWN_INTERFACE),)
        found = [
            self.difference(attribute, present, wanted)
            for attribute, present, wanted in self._wrong_columns(snapshot, interface)
        ]
        found += self.duplicate_ids(snapshot)
        error = open_error(interface)
        if error is not None:
            pending = not self._has_to_open(snapshot)
            found.append(self.difference("ofport", error, "open", pending=pending))
        wanted_bridge = snapshot.bridge(self.bridge)
        if wanted_bridge is not None and has_stale_device(
            wanted_bridge, interface, lambda: snapshot.bound_indexes
        ):
            pending = not self.must_open and not device_index(self.name)
            found.append(self.difference("ofport", "of a deleted device", "open", pending))
        return tuple(found)

    def _wrong_columns(self, snapshot: Snapshot, interface: Row) -> list[tuple[str, Any, Any]]:
        """Return the differences of an Interface: attribute, present value, wanted value."""
        wrong: list[tuple[str, Any, Any]] = []
        for column, pairs in (("external_ids", self.external_ids), ("options", self.options)):
            present = mapping(interface[column])
            wrong += [
                (f"{column}:{key}", present.get(key, "missing"), value)
                for key, value in pairs
                if present.get(key) != value
            ]
        if not port_rows.is_of_type(interface["type"], self.type):
            wanted = self.type or port_rows.DEVICE_TYPE
            wrong.append(("type", interface["type"] or "none", wanted))
        requests = self.mtu_request is not None and snapshot.has_column("Interface", "mtu_request")
        if requests and interface["mtu_request"] != self.mtu_request:
            request = values(interface["mtu_request"])
            wrong.append(("mtu_request", request[0] if request else "none", self.mtu_request))
        return wrong

    def duplicate_ids(self, snapshot: Snapshot) -> Iterator[Difference]:
        """Yield a difference for each further port with the ``iface-id`` of this port."""
        interface_id = dict(self.external_ids).get("iface-id")
        if not interface_id:
            return
        for row in snapshot.rows(query.interfaces_with_id(interface_id)):
            # Neutron sets the same iface-id on the patch port of a trunk.
            of_trunk = row["type"] == "patch" and self.bridge.startswith(TRUNK_BRIDGE)
            if row["name"] != self.name and not of_trunk:
                attribute = f"external_ids:iface-id of {row['name']}"
                yield self.difference(attribute, interface_id, f"on {self.name} alone")

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        port = snapshot.port(self.name)
        conflict = port_rows.find_conflict(snapshot, self.name)
        if port is None:
            if conflict is not None:
                raise port_rows.conflict_error(self.name, f"{conflict}, not a port itself")
            return self._create(snapshot, transaction)
        interface = snapshot.interface(self.name)
        bridge = snapshot.bridge_of(port)
        if bridge is None or bridge["name"] != self.bridge:
            place = "a deleted bridge" if bridge is None else bridge["name"]
            raise OSError(errno.EBUSY, f"{self.name} is in {place}, and not taken from there")
        if interface is None or conflict is not None:
            raise port_rows.conflict_error(
                self.name, f"{conflict}, not with one Interface of its own name"
            )
        port_rows.require_type(interface, self.type)
        if self.must_open and open_error(interface) is not None:
            transaction.effects.retries_open = True
        if not self._wrong_columns(snapshot, interface):
            return ()
        transaction.require("Interface", [["_uuid", "==", ref(interface)]], name=self.name)
        self._update(interface, transaction)
        keys = [key for key, _ in self.external_ids]
        return (RestoreOvsInterface.of(snapshot, interface, keys),)

    def _update(self, interface: Row, transaction: OwnedTransaction[OvsStep]) -> None:
        """Add the operations that update an Interface."""
        row = self._interface_columns
        kept = ["external_ids"]
        if port_rows.keeps_options(interface["type"], self.type):
            kept.append("options")
        else:
            # The options of the former type have no meaning for the new type.
            row.setdefault("options", ["map", []])
        maps = {column: row.pop(column) for column in kept if column in row}
        if row:
            transaction.update("Interface", interface, **row)
        # RFC 7047, 5.1: "insert" leaves present keys unchanged.
        mutations = [
            mutation
            for column, pairs in maps.items()
            for mutation in (
                [column, "delete", ["set", [key for key, _ in pairs[1]]]],
                [column, "insert", pairs],
            )
        ]
        transaction.mutate("Interface", ref(interface), *mutations)

    def _create(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        """Add the operations that insert a port; return the undo steps."""
        bridge = transaction.bridge(snapshot, self.bridge)
        if bridge[0] == "uuid":
            # Neutron may delete the bridge of a trunk at any time.
            transaction.require("Bridge", [["_uuid", "==", bridge]], name=self.bridge)
        row = self._port_columns
        if self.qos is not None:
            for stale in port_rows.unused_qos(snapshot, self.name):
                transaction.delete("QoS", stale)
            row["qos"] = transaction.insert("QoS", **self._qos_columns)
        columns = self._interface_columns
        if self.external_ids:
            pairs = {**dict(transaction.port_ids), **dict(self.external_ids)}
            columns["external_ids"] = ["map", [list(pair) for pair in pairs.items()]]
        interface = transaction.insert("Interface", name=self.name, **columns)
        port = transaction.insert("Port", name=self.name, interfaces=interface, **row)
        transaction.mutate("Bridge", bridge, ["ports", "insert", ["set", [port]]])
        return (DeleteOvsPort(self.name, uuid=port[1]),)

    def _has_to_open(self, snapshot: Snapshot) -> bool:
        """Return whether a closed port is an error. A switch without DPDK opens no DPDK port."""
        of_dpdk = self.type is not None and self.type.startswith("dpdk")
        return self.must_open and (not of_dpdk or has_dpdk(snapshot))

    @property
    def result_query(self) -> Query | None:
        """The query for the Interface of a port that must open."""
        return query.by_name("Interface", self.name) if self.must_open else None

    def vswitchd_error(self, snapshot: Snapshot) -> str | None:
        if not self.must_open:
            return None
        interface = snapshot.interface(self.name)
        error = "the port was deleted" if interface is None else open_error(interface)
        return error if error is not None and self._has_to_open(snapshot) else None


@dataclasses.dataclass(frozen=True)
class DeleteOvsPort(DeleteRowStep):
    """A port is in no bridge, and the QoS row created for the port is gone.

    The port of a bridge's own name stays, and a QoS row that another port refers to.
    Equivalent to: ``ovs-vsctl --if-exists del-port NAME``
    """

    full_row_tables: ClassVar[tuple[str, ...]] = ("Port", "Interface")

    #: Wait until ovs-vswitchd has released the device, before the next step of the plan changes
    #: the device.
    wait: bool = False

    @property
    def wait_time(self) -> Wait:
        """The time at which a plan waits for ovs-vswitchd."""
        return Wait.ALWAYS if self.wait else Wait.AT_END

    @property
    def port(self) -> str:
        """The name of the port."""
        return self.name

    def validate(self) -> None:
        validate.port_name(self, "name")
        validate.text(self, "uuid", 36, optional=True)
        validate.boolean(self, "wait")

    def commands(self) -> tuple[str, ...]:
        condition = f"external_ids:id={query.qos_id(self.name)}"
        find = f"ovs-vsctl --bare --columns=_uuid find QoS {condition}"
        return (
            f"ovs-vsctl --if-exists del-port {quote(self.name)}",
            f"ovs-vsctl --if-exists destroy QoS $({find})  # if no other port refers to it",
        )

    def find_row(self, snapshot: Snapshot) -> Row | None:
        return snapshot.port(self.name)

    def prefetch(self, snapshot: Snapshot) -> Iterator[Query]:
        yield query.by_name("Bridge", self.name)
        yield query.qos_rows_for(self.name)
        yield query.MIRRORS
        if (row := snapshot.cached_row(query.qos_rows_for(self.name))) is not None:
            yield query.ports_with_qos(row)
        yield query.full_row("Port", self.name)
        if (port := snapshot.cached_row(query.full_row("Port", self.name))) is not None:
            yield query.bridge_with_port(port)
            for reference in values(port["interfaces"]):
                yield query.by_reference("Interface", reference)

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        port = self._find_port_to_delete(snapshot)
        found = [] if port is None else [self.difference("port", "there", "gone")]
        if port_rows.unused_qos(snapshot, self.name, port):
            found.append(self.difference("QoS", "there", "gone"))
        return tuple(found)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        port = self._find_port_to_delete(snapshot)
        qos_rows = port_rows.unused_qos(snapshot, self.name, port)
        for row in qos_rows:
            transaction.delete("QoS", row)
        bridge = None if port is None else snapshot.bridge_of(port)
        if port is None or bridge is None:
            return ()
        undo = RestoreOvsPort.of(snapshot, bridge["name"], port, qos_rows)
        if qos_rows:
            # A strong reference to a deleted row is an error even in a row that is deleted.
            transaction.update("Port", port, qos=["set", []])
        inside = ["ports", "includes", ["set", [ref(port)]]]
        where = [["_uuid", "==", ref(bridge)], inside]
        transaction.require("Bridge", where, name=bridge["name"])
        transaction.mutate("Bridge", ref(bridge), ["ports", "delete", ["set", [ref(port)]]])
        transaction.effects.removed_ports.append(ref(port))
        return (undo,)

    def _find_port_to_delete(self, snapshot: Snapshot) -> Row | None:
        """Return the port; None if missing, of another UUID, or of a bridge's own name."""
        port = snapshot.full_row("Port", self.name)
        if port is None or self._has_other_uuid(port) or snapshot.bridge(self.name) is not None:
            return None
        return port
