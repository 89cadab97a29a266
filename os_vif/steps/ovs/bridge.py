# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps on bridges of Open vSwitch."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif import device_names
from os_vif.host import limits
from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.lookups import is_userspace
from os_vif.host.ovsdb.notation import ref, values
from os_vif.steps import validate
from os_vif.steps.ovs.port_rows import describe_bridge_in_use
from os_vif.steps.ovs.restore import (
    RestoreOvsBridge,
    RestoreOvsPort,
    bridge_queries,
    delete_collectors,
)
from os_vif.steps.ovs.step import DeleteRowStep, OvsStep
from os_vif.steps.ovs.vsctl import assignments
from os_vif.steps.ovs.vswitchd import bridge_error
from os_vif.steps.plan import NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.host.ovsdb.notation import Reference, Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import OwnedTransaction
    from os_vif.steps.plan import Difference


@dataclasses.dataclass(frozen=True)
class EnsureOvsBridge(NamedStep, OvsStep):
    """A bridge of Open vSwitch exists. An existing bridge keeps its datapath.

    Equivalent to: ``ovs-vsctl --may-exist add-br NAME``
    """

    #: Datapath of a new bridge: ``system`` of the kernel, ``netdev`` in user space.
    datapath_type: str = ""

    def validate(self) -> None:
        validate.text(self, "datapath_type", 32)
        if self.datapath_type == "system":
            validate.kernel_bridge_name(self, "name")
        else:
            # Without a type, an existing bridge may be in user space.
            validate.bridge_name(self, "name")

    def commands(self) -> tuple[str, ...]:
        name = quote(self.name)
        if not self.datapath_type:
            return (f"ovs-vsctl --may-exist add-br {name}",)
        row = assignments({"datapath_type": self.datapath_type})
        # A change of the datapath would disconnect all ports of an existing bridge.
        add = f"ovs-vsctl add-br {name} -- set Bridge {name} {row}"
        return (f"ovs-vsctl br-exists {name} || {add}",)

    def prefetch(self, snapshot: Snapshot) -> Iterator[Query]:
        yield query.by_name("Bridge", self.name)
        # The Interface of the bridge's name tells whether ovs-vswitchd has opened the bridge.
        yield query.by_name("Interface", self.name)

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        if snapshot.bridge(self.name) is None:
            return (self.difference("bridge", "missing", "there"),)
        error = self.vswitchd_error(snapshot)
        return () if error is None else (self.difference("bridge", error, "open"),)

    @property
    def result_query(self) -> Query | None:
        """The query for the Interface of the bridge's name."""
        return query.by_name("Interface", self.name)

    def vswitchd_error(self, snapshot: Snapshot) -> str | None:
        return bridge_error(snapshot, self.name)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        effects = transaction.effects
        if self.name in effects.bridges:
            return ()
        present = snapshot.bridge(self.name)
        if present is not None:
            effects.bridges[self.name] = ref(present)
            effects.retries_open |= self.vswitchd_error(snapshot) is not None
            return ()
        self._require_usable_name()
        interface = transaction.insert("Interface", name=self.name, type="internal")
        local = transaction.insert("Port", name=self.name, interfaces=interface)
        bridge = transaction.insert(
            "Bridge", name=self.name, datapath_type=self.datapath_type, ports=local
        )
        transaction.mutate("Open_vSwitch", None, ["bridges", "insert", ["set", [bridge]]])
        effects.bridges[self.name] = bridge
        return (DeleteOvsBridge(self.name, uuid=bridge[1]),)

    def _require_usable_name(self) -> None:
        """Refuse a new bridge that ovs-vswitchd could not open.

        :raises OSError: ``ENAMETOOLONG`` for a name that only a bridge in user space may have.
        """
        if validate.is_long(self.name) and not is_userspace(self.datapath_type):
            reason = f"{self.name} has more than {limits.MAX_NAME} bytes: {validate.USER_SPACE}"
            raise OSError(errno.ENAMETOOLONG, reason)


@dataclasses.dataclass(frozen=True)
class DeleteOvsBridge(DeleteRowStep):
    """A bridge of a single VIF or trunk is gone, unless the bridge is in use.

    A bridge with ports, apart from patch ports and the port of its own name, is in use and stays;
    the step does not fail. The rows of Flow_Sample_Collector_Set of the bridge go too:
    ``ovs-vsctl del-br`` leaves the rows, and with the rows the bridge in the database.
    Equivalent to: ``ovs-vsctl --if-exists del-br NAME``
    """

    def validate(self) -> None:
        validate.bridge_name(self, "name")
        validate.text(self, "uuid", 36, optional=True)
        if self.uuid is None:
            # An undo step identifies the new bridge by UUID.
            validate.beginning(self, "name", device_names.DELETABLE_OVS_BRIDGES)

    def commands(self) -> tuple[str, ...]:
        return (f"ovs-vsctl --if-exists del-br {quote(self.name)}  # if it is not in use",)

    def find_row(self, snapshot: Snapshot) -> Row | None:
        return snapshot.bridge(self.name)

    def prefetch(self, snapshot: Snapshot) -> Iterator[Query]:
        yield query.full_row("Bridge", self.name)
        bridge = snapshot.cached_row(query.full_row("Bridge", self.name))
        if bridge is None:
            return
        # The undo step keeps these rows.
        yield from bridge_queries(snapshot, bridge)
        yield query.full_row("Port", self.name)
        yield query.full_row("Interface", self.name)
        for reference in values(bridge["ports"]):
            yield query.by_reference("Port", reference)
            if (port := snapshot.cached_row(query.by_reference("Port", reference))) is not None:
                yield query.by_name("Interface", port["name"])

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        bridge = snapshot.full_row("Bridge", self.name)
        if bridge is None or self._find_patch_ports(snapshot, bridge, []) is None:
            return ()
        return (self.difference("bridge", "there", "gone"),)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        bridge = snapshot.full_row("Bridge", self.name)
        if bridge is None or self._has_other_uuid(bridge):
            return ()
        effects = transaction.effects
        patch_ports = self._find_patch_ports(snapshot, bridge, effects.removed_ports)
        if patch_ports is None:
            reason = describe_bridge_in_use(snapshot, bridge, effects.removed_ports)
            effects.remaining_bridges.append(reason)
            return ()
        transaction.require("Bridge", [["_uuid", "==", ref(bridge)]], ports=bridge["ports"])
        undo = (
            RestoreOvsBridge.of(snapshot, bridge),
            *(RestoreOvsPort.of(snapshot, self.name, port, []) for port in patch_ports),
        )
        transaction.mutate("Open_vSwitch", None, ["bridges", "delete", ["set", [ref(bridge)]]])
        delete_collectors(snapshot, transaction, bridge)
        return undo

    def _find_patch_ports(
        self, snapshot: Snapshot, bridge: Row, removed: Sequence[Reference]
    ) -> list[Row] | None:
        """Return the patch ports, which are deleted with the bridge; None for a bridge in use.

        :param removed: ports that the transaction removes from the bridge.
        """
        patch_ports = []
        for reference in values(bridge["ports"]):
            port = None if reference in removed else snapshot.row_at("Port", reference)
            if port is None or port["name"] == self.name:
                continue
            interface = snapshot.interface(port["name"])
            if interface is None or interface["type"] != "patch":
                return None
            patch_ports.append(port)
        return patch_ports
