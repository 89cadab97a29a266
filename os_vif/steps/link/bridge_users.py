# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that record which VIFs use a bridge."""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING

from os_vif.host.state import bridge_user_record
from os_vif.host.state.directory import STATE
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink


@dataclasses.dataclass(frozen=True)
class _User(NamedStep, KernelStep):
    #: Id of the VIF.
    user: str

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.text(self, "user", 255)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        # A stale record does not affect packets.
        return ()


@dataclasses.dataclass(frozen=True)
class AddBridgeUser(_User):
    """A VIF is recorded in ``/run/os-vif`` as a user of a bridge that os-vif created.

    :class:`~os_vif.steps.DeleteBridge` deletes no bridge with recorded users. A bridge of another
    program needs no record; the step holds then.

    :raises OSError: with ENOSPC if the record is full.
    """

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._is_known(net):
            return ()
        return (self.difference(f"use by VIF {self.user}", "none", "noted"),)

    def holds(self, net: Netlink) -> bool:
        bridge = net.link(self.name)
        if bridge is None or not bridge.is_managed:
            return True
        using = bridge_user_record.read_users(net, bridge)
        known = self.user in using.vif_ids and not using.delete_when_empty
        return known and not bridge_user_record.is_incomplete(net, self.name)

    def _is_known(self, net: Netlink) -> bool:
        """Return whether the VIF is recorded, or needs no record.

        A record is replaced atomically, so this read needs no lock. Only a holder of the lock of
        the bridge can tell whether a replacement was interrupted.
        """
        bridge = net.link(self.name)
        return (
            bridge is None
            or not bridge.is_managed
            or self.user in bridge_user_record.read_users(net, bridge).vif_ids
        )

    def commands(self) -> tuple[str, ...]:
        return (f"# {STATE} notes that VIF {self.user} uses {self.name}",)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        bridge = net.link(self.name)
        if bridge is None or not bridge.is_managed:
            # os-vif never deletes a bridge of another program.
            return ()
        bridge_user_record.discard_incomplete(net, self.name)
        using = bridge_user_record.read_users(net, bridge)
        if self.user in using.vif_ids and not using.delete_when_empty:
            return ()
        if len(using.vif_ids) >= bridge_user_record.MAX_USERS:
            reason = f"{self.name} has {len(using.vif_ids)} users; the record takes {bridge_user_record.MAX_USERS}"
            raise OSError(errno.ENOSPC, reason)
        bridge_user_record.write_users(
            net,
            bridge,
            dataclasses.replace(
                using, vif_ids=using.vif_ids | {self.user}, delete_when_empty=False
            ),
        )
        return (RemoveBridgeUser(self.name, self.user),)


@dataclasses.dataclass(frozen=True)
class RemoveBridgeUser(_User):
    """A VIF is not recorded in ``/run/os-vif`` as a user of a bridge."""

    def holds(self, net: Netlink) -> bool:
        bridge = net.link(self.name)
        # A missing bridge may have left a record, which only root can see.
        if bridge is None or bridge_user_record.is_incomplete(net, self.name):
            return False
        return self.user not in bridge_user_record.read_users(net, bridge).vif_ids

    def commands(self) -> tuple[str, ...]:
        return (f"# {STATE} notes that VIF {self.user} no longer uses {self.name}",)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        bridge = net.link(self.name)
        if bridge is None:
            bridge_user_record.delete_record(net, self.name)
            return ()
        bridge_user_record.discard_incomplete(net, self.name)
        using = bridge_user_record.read_users(net, bridge)
        if self.user not in using.vif_ids:
            return ()
        left = dataclasses.replace(using, vif_ids=using.vif_ids - {self.user})
        if not left.is_unused or left.gateways:
            bridge_user_record.write_users(net, bridge, left)
        else:
            bridge_user_record.delete_record(net, self.name)
        return (AddBridgeUser(self.name, self.user),)
