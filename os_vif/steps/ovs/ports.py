# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for bridges and ports of Open vSwitch."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif import device_names
from os_vif.host import limits
from os_vif.host.ovsdb.connection import values
from os_vif.steps import validate
from os_vif.steps.ovs.held import index_of, is_lost
from os_vif.steps.ovs.port_names import (
    OWN,
    free_qos,
    keeps_options,
    other_port,
    refused,
    require_type,
    twins,
    why_left,
    wrong_columns,
)
from os_vif.steps.ovs.restore import (
    RestoreOvsBridge,
    RestoreOvsInterface,
    RestoreOvsPort,
    bridge_queries,
    delete_collectors,
)
from os_vif.steps.ovs.rows import (
    MIRRORS,
    Changes,
    Look,
    OvsStep,
    Query,
    assignments,
    at,
    closed_by,
    holder,
    named,
    qos_id,
    qos_rows,
    qos_users,
    ref,
    require_name,
    whole,
)
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.connection import Row

#: Neutron keeps a port here until it has wired it.
DEAD_VLAN = 4095


Pairs = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class EnsureOvsBridge(NamedStep, OvsStep):
    """A bridge of Open vSwitch exists. One that is there keeps its datapath.

    Equivalent to: ``ovs-vsctl --may-exist add-br NAME``
    """

    #: ``system`` is the kernel's, ``netdev`` that of user space; at creation.
    datapath_type: str = ""

    def validate(self) -> None:
        validate.text(self, "datapath_type", 32)
        if self.datapath_type == "system":
            validate.kernel_bridge_name(self, "name")
        else:
            # Without a type, the bridge may be there, in user space.
            validate.bridge_name(self, "name")

    def commands(self) -> tuple[str, ...]:
        name = quote(self.name)
        if not self.datapath_type:
            return (f"ovs-vsctl --may-exist add-br {name}",)
        row = assignments({"datapath_type": self.datapath_type})
        # Another datapath would cut off all that is on a bridge already.
        add = f"ovs-vsctl add-br {name} -- set Bridge {name} {row}"
        return (f"ovs-vsctl br-exists {name} || {add}",)

    def reads(self, look: Look) -> Iterator[Query]:
        yield named("Bridge", self.name)
        # Its own port tells whether ovs-vswitchd has opened it.
        yield named("Interface", self.name)

    def differences(self, look: Look) -> tuple[Difference, ...]:
        if look.bridge(self.name) is None:
            return (self.difference("bridge", "missing", "there"),)
        closed = self.fault(look)
        return () if closed is None else (self.difference("bridge", closed, "open"),)

    @property
    def outcome(self) -> Query | None:
        return named("Interface", self.name)

    def fault(self, look: Look) -> str | None:
        return look.fault_of_bridge(self.name)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        if self.name in changes.bridges:
            return ()
        found = look.bridge(self.name)
        if found is not None:
            changes.bridges[self.name] = ref(found)
            # Then vswitchd is to try again.
            changes.again |= self.fault(look) is not None
            return ()
        require_name(self.name, self.datapath_type)
        interface = changes.insert("Interface", name=self.name, type="internal")
        local = changes.insert("Port", name=self.name, interfaces=interface)
        bridge = changes.insert(
            "Bridge", name=self.name, datapath_type=self.datapath_type, ports=local
        )
        changes.mutate("Open_vSwitch", None, ["bridges", "insert", ["set", [bridge]]])
        changes.bridges[self.name] = bridge
        return (DeleteOvsBridge(self.name, uuid=bridge[1]),)


@dataclasses.dataclass(frozen=True)
class EnsureOvsPort(OvsStep):
    """A port is in a bridge of Open vSwitch. One that is in another is not taken from there.

    Of ``external_ids`` and ``options``, the keys of others stay.
    Equivalent to: ``ovs-vsctl --may-exist add-port BRIDGE NAME -- set Interface NAME ...``
    """

    bridge: str
    name: str
    #: ``type`` of the Interface; empty is a network device, None whichever type is there.
    type: str | None = ""
    #: Of the Interface, as pairs.
    external_ids: Pairs = ()
    options: Pairs = ()
    #: Bytes; for a port that has no network device whose MTU could be set.
    mtu_request: int | None = None
    #: In the dead VLAN, so that nothing passes; at creation.
    isolated: bool = False
    #: ``type`` of its QoS row; at creation.
    qos: str | None = None
    #: Whether vswitchd has to open it; else it waits for the hypervisor.
    must_open: bool = False

    @property
    def device(self) -> str:
        return self.name

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.bridge)

    @property
    def port(self) -> str:
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
    def _interface(self) -> Row:
        row: Row = {"external_ids": ["map", [list(pair) for pair in self.external_ids]]}
        if self.type:
            row["type"] = self.type
        if self.options:
            row["options"] = ["map", [list(pair) for pair in self.options]]
        if self.mtu_request is not None:
            row["mtu_request"] = self.mtu_request
        return row

    @property
    def _port(self) -> Row:
        if not self.isolated:
            return {}
        return {"tag": DEAD_VLAN, "vlan_mode": "trunk", "trunks": DEAD_VLAN}

    @property
    def _qos(self) -> Row:
        ids = [["id", qos_id(self.name)], ["_type", self.qos]]
        return {"type": self.qos, "external_ids": ["map", ids]}

    def commands(self) -> tuple[str, ...]:
        name = quote(self.name)
        words = [f"ovs-vsctl --may-exist add-port {quote(self.bridge)} {name}"]
        port = self._port
        if self.qos is not None:
            words.append(f"--id=@qos create QoS {assignments(self._qos)}")
        if port or self.qos is not None:
            qos = " qos=@qos" if self.qos is not None else ""
            words.append(f"set Port {name} {assignments(port)}{qos}".replace("  ", " "))
        if interface := assignments(self._interface):
            words.append(f"set Interface {name} {interface}")
        return (" -- ".join(words),)

    def reads(self, look: Look) -> Iterator[Query]:
        yield named("Bridge", self.bridge)
        yield named("Interface", self.name)
        yield named("Port", self.name)
        if (port := look.known(named("Port", self.name))) is not None:
            yield holder(port)

    def differences(self, look: Look) -> tuple[Difference, ...]:
        port, interface = look.port(self.name), look.interface(self.name)
        other = other_port(look, self.name)
        if port is None:
            return (self.difference("port", other or "missing", f"in {self.bridge}"),)
        bridge = look.bridge_of(port)
        if bridge is None or bridge["name"] != self.bridge:
            there = "in no bridge" if bridge is None else f"in {bridge['name']}"
            return (self.difference("port", there, f"in {self.bridge}"),)
        if other is not None or interface is None:
            return (self.difference("port", other, OWN),)
        found = [
            self.difference(attribute, before, wanted)
            for attribute, before, wanted in wrong_columns(look, interface, self)
        ]
        found += twins(look, self)
        closed = closed_by(interface)
        if closed is not None:
            needed = self._needed(look)
            found.append(self.difference("ofport", closed, "open", pending=not needed))
        made = look.bridge(self.bridge)
        if made is not None and is_lost(made, interface):
            pending = not self.must_open and not index_of(self.name)
            found.append(self.difference("ofport", "of a device that has gone", "open", pending))
        return tuple(found)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        port, other = look.port(self.name), other_port(look, self.name)
        if port is None:
            if other is not None:
                raise refused(self.name, f"{other}, not a port itself")
            return self._create(look, changes)
        interface = look.interface(self.name)
        bridge = look.bridge_of(port)
        if bridge is None or bridge["name"] != self.bridge:
            there = "a bridge that has gone" if bridge is None else bridge["name"]
            raise OSError(errno.EBUSY, f"{self.name} is in {there}, and not taken from there")
        if interface is None or other is not None:
            raise refused(self.name, f"{other}, not with one of its own name")
        require_type(interface, self.type)
        if self.must_open and closed_by(interface) is not None:
            changes.again = True
        if not wrong_columns(look, interface, self):
            return ()
        changes.require("Interface", [["_uuid", "==", ref(interface)]], name=self.name)
        self._set(interface, changes)
        return (RestoreOvsInterface.of(look, interface, [key for key, _ in self.external_ids]),)

    def _set(self, interface: Row, changes: Changes) -> None:
        row = self._interface
        kept = ["external_ids"]
        if keeps_options(interface["type"], self.type):
            kept.append("options")
        else:
            # Those of the type of before have no meaning any more.
            row.setdefault("options", ["map", []])
        maps = {column: row.pop(column) for column in kept if column in row}
        if row:
            changes.update("Interface", interface, **row)
        # An insertion leaves a key alone that is there.
        mutations = [
            mutation
            for column, pairs in maps.items()
            for mutation in (
                [column, "delete", ["set", [key for key, _ in pairs[1]]]],
                [column, "insert", pairs],
            )
        ]
        changes.mutate("Interface", ref(interface), *mutations)

    def _create(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        bridge = changes.bridge(look, self.bridge)
        if bridge[0] == "uuid":
            # Neutron may delete a trunk's at any time.
            changes.require("Bridge", [["_uuid", "==", bridge]], name=self.bridge)
        row = self._port
        if self.qos is not None:
            for stale in free_qos(look, self.name):
                changes.delete("QoS", stale)
            row["qos"] = changes.insert("QoS", **self._qos)
        interface = changes.insert("Interface", name=self.name, **self._interface)
        port = changes.insert("Port", name=self.name, interfaces=interface, **row)
        changes.mutate("Bridge", bridge, ["ports", "insert", ["set", [port]]])
        return (DeleteOvsPort(self.name, uuid=port[1]),)

    def _needed(self, look: Look) -> bool:
        """A switch without DPDK keeps the row, and opens nothing."""
        of_dpdk = self.type is not None and self.type.startswith("dpdk")
        return self.must_open and (not of_dpdk or look.has_dpdk())

    @property
    def outcome(self) -> Query | None:
        return named("Interface", self.name) if self.must_open else None

    def fault(self, look: Look) -> str | None:
        if not self.must_open:
            return None
        interface = look.interface(self.name)
        closed = "it has gone" if interface is None else closed_by(interface)
        return closed if closed is not None and self._needed(look) else None


@dataclasses.dataclass(frozen=True)
class _Delete(NamedStep, OvsStep):
    lingers = True

    #: Only the row of this UUID; None is whichever has the name.
    uuid: str | None = None

    def _is_other(self, row: Row) -> bool:
        return self.uuid is not None and row["_uuid"][1] != self.uuid


@dataclasses.dataclass(frozen=True)
class DeleteOvsPort(_Delete):
    """A port is in no bridge, and the QoS row that was made for it is gone.

    The port of a bridge's own name stays; and a QoS row that another port refers to.
    Equivalent to: ``ovs-vsctl --if-exists del-port NAME``
    """

    @property
    def port(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.port_name(self, "name")
        validate.text(self, "uuid", 36, optional=True)

    def commands(self) -> tuple[str, ...]:
        find = f"ovs-vsctl --bare --columns=_uuid find QoS external_ids:id={qos_id(self.name)}"
        return (
            f"ovs-vsctl --if-exists del-port {quote(self.name)}",
            f"ovs-vsctl --if-exists destroy QoS $({find})  # if no other port refers to it",
        )

    def reads(self, look: Look) -> Iterator[Query]:
        yield named("Bridge", self.name)
        yield qos_rows(self.name)
        yield MIRRORS
        if (row := look.known(qos_rows(self.name))) is not None:
            yield qos_users(row)
        yield whole("Port", self.name)
        if (port := look.known(whole("Port", self.name))) is not None:
            yield holder(port)
            yield from (at("Interface", reference) for reference in values(port["interfaces"]))

    def differences(self, look: Look) -> tuple[Difference, ...]:
        port = self._target(look)
        found = [] if port is None else [self.difference("port", "there", "gone")]
        if free_qos(look, self.name, port):
            found.append(self.difference("QoS", "there", "gone"))
        return tuple(found)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        port = self._target(look)
        rows = free_qos(look, self.name, port)
        for row in rows:
            changes.delete("QoS", row)
        if port is None:
            return ()
        bridge = look.bridge_of(port)
        if bridge is None:
            return ()
        undo = RestoreOvsPort.of(look, bridge["name"], port, rows)
        if rows:
            # Even a row that goes may not refer to one that has gone.
            changes.update("Port", port, qos=["set", []])
        _take_out(changes, bridge, port)
        return (undo,)

    def _target(self, look: Look) -> Row | None:
        port = look.whole("Port", self.name)
        if port is None or self._is_other(port) or look.bridge(self.name) is not None:
            return None
        return port


@dataclasses.dataclass(frozen=True)
class ReleaseOvsPort(DeleteOvsPort):
    """A port is gone, and vswitchd has let go of its device, which stays and is changed next.

    Equivalent to: ``ovs-vsctl --if-exists del-port NAME``
    """

    lingers = False
    settles = True


def _take_out(changes: Changes, bridge: Row, port: Row) -> None:
    inside = ["ports", "includes", ["set", [ref(port)]]]
    changes.require("Bridge", [["_uuid", "==", ref(bridge)], inside], name=bridge["name"])
    changes.mutate("Bridge", ref(bridge), ["ports", "delete", ["set", [ref(port)]]])
    changes.removed.append(ref(port))


@dataclasses.dataclass(frozen=True)
class DeleteOvsBridge(_Delete):
    """A bridge that is one VIF's or one trunk's is gone, unless it is in use.

    It is in use by any port but patch ports and its own. Such a bridge stays: that is no failure.
    Its rows of Flow_Sample_Collector_Set go too: ``ovs-vsctl del-br`` leaves them, and with them
    the bridge in the database.
    Equivalent to: ``ovs-vsctl --if-exists del-br NAME``
    """

    def validate(self) -> None:
        validate.bridge_name(self, "name")
        validate.text(self, "uuid", 36, optional=True)
        if self.uuid is None:
            # The undo of what was just made knows it by more than its name.
            validate.beginning(self, "name", device_names.DELETABLE_OVS_BRIDGES)

    def commands(self) -> tuple[str, ...]:
        return (f"ovs-vsctl --if-exists del-br {quote(self.name)}  # if it is not in use",)

    def reads(self, look: Look) -> Iterator[Query]:
        yield whole("Bridge", self.name)
        if (bridge := look.known(whole("Bridge", self.name))) is None:
            return
        # For the undo.
        yield from bridge_queries(look, bridge)
        yield whole("Port", self.name)
        yield whole("Interface", self.name)
        for reference in values(bridge["ports"]):
            yield at("Port", reference)
            if (port := look.known(at("Port", reference))) is not None:
                yield named("Interface", port["name"])

    def differences(self, look: Look) -> tuple[Difference, ...]:
        bridge = look.whole("Bridge", self.name)
        if bridge is None or self._ports(look, bridge, []) is None:
            return ()
        return (self.difference("bridge", "there", "gone"),)

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        bridge = look.whole("Bridge", self.name)
        if bridge is None or self._is_other(bridge):
            return ()
        ports = self._ports(look, bridge, changes.removed)
        if ports is None:
            changes.left.append(why_left(look, bridge, changes.removed))
            return ()
        changes.require("Bridge", [["_uuid", "==", ref(bridge)]], ports=bridge["ports"])
        undo = (
            RestoreOvsBridge.of(look, bridge),
            *(RestoreOvsPort.of(look, self.name, port, []) for port in ports),
        )
        changes.mutate("Open_vSwitch", None, ["bridges", "delete", ["set", [ref(bridge)]]])
        delete_collectors(look, changes, bridge)
        return undo

    def _ports(self, look: Look, bridge: Row, removed: list[list[str]]) -> list[Row] | None:
        """The patch ports that go with it; None if it is in use."""
        patches = []
        for reference in values(bridge["ports"]):
            port = None if reference in removed else look.at("Port", reference)
            if port is None or port["name"] == self.name:
                continue
            interface = look.interface(port["name"])
            if interface is None or interface["type"] != "patch":
                return None
            patches.append(port)
        return patches
