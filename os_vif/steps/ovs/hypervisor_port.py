# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps about a port of Open vSwitch added by the hypervisor. Neither step changes the switch."""

from __future__ import annotations

import dataclasses
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query
from os_vif.steps import validate
from os_vif.steps.ovs import port_rows
from os_vif.steps.ovs.port import EnsureOvsPort
from os_vif.steps.ovs.step import OvsStep
from os_vif.steps.plan import NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import OwnedTransaction
    from os_vif.steps.plan import Difference


@dataclasses.dataclass(frozen=True)
class OvsPortName(NamedStep, OvsStep):
    """A name is free for the port of the hypervisor, or the port has the name already.

    The hypervisor adds the port, so the step changes nothing. A port of another kind is refused.
    """

    def validate(self) -> None:
        validate.port_name(self, "name")

    def commands(self) -> tuple[str, ...]:
        get = f"ovs-vsctl --if-exists get Interface {quote(self.name)} type"
        return (f"{get}  # the hypervisor adds the port; empty or system",)

    def prefetch(self, snapshot: Snapshot) -> Iterator[Query]:
        yield query.by_name("Port", self.name)
        yield query.by_name("Interface", self.name)

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        interface = snapshot.interface(self.name)
        if (conflict := port_rows.find_conflict(snapshot, self.name)) is not None:
            return (self.difference("port", conflict, port_rows.OWN_INTERFACE),)
        if interface is None or port_rows.is_of_type(interface["type"], ""):
            return ()
        return (self.difference("type", interface["type"], port_rows.DEVICE_TYPE),)

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        if (conflict := port_rows.find_conflict(snapshot, self.name)) is not None:
            reason = f"{conflict}, not {port_rows.OWN_INTERFACE}"
            raise port_rows.conflict_error(self.name, reason)
        interface = snapshot.interface(self.name)
        if interface is not None:
            port_rows.require_type(interface, "")
        return ()


@dataclasses.dataclass(frozen=True)
class AwaitedOvsPort(EnsureOvsPort):
    """The hypervisor has added a port to a bridge. The engine never runs the step."""

    #: The bridge of the VIF alone. A port plugged while ``per_port_bridge`` was on stays in the
    #: bridge: traffic passes, and the patch port in the integration bridge has the ``iface-id``.
    own: str | None = None

    def commands(self) -> tuple[str, ...]:
        return ()

    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        if port_rows.find_conflict(snapshot, self.name) is not None:
            # OvsPortName of the same plan reports the conflict.
            return tuple(self.duplicate_ids(snapshot))
        if (port := snapshot.port(self.name)) is not None:
            bridge = snapshot.bridge_of(port)
            in_own = bridge is not None and bridge["name"] == self.own
            return () if in_own else super().differences(snapshot)
        missing = self.difference("port", "missing", f"in {self.bridge}", pending=True)
        return (missing, *self.duplicate_ids(snapshot))

    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        return ()
