# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The policy of the privileged daemon: the devices which each step may touch.

The daemon asks the policy before applying a step, because a caller is an ordinary user. A step is
permitted on

* a device managed by os-vif: only the daemon writes the mark of a managed device;
* a device with the name of a VIF's device (:data:`os_vif.engine.privileged.host_view.VIF_NAME`);
* a virtual function of a PCI card, and the representor of a virtual function;
* a bridge named by an ``EnsureBridge`` of the same call: to set the bridge up and set the MTU;
* an uplink: a device attached to such a bridge by a step. The host's addresses and routes move
  from the uplink to the bridge unchanged; no other address or route is added or deleted.

``/etc/os-vif/uplinks`` restricts the uplinks. Only root may write the file, which lists a device
name on each line. The loopback device and network namespaces of other users are never touched. A
device with addresses of the host belongs to the host, even a managed device.

A refused step without effect is permitted. The undo issued by this process for a call is permitted
as a whole (:mod:`os_vif.engine.privileged.undo_ledger`).
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from typing import TYPE_CHECKING, Any

from os_vif import steps as known
from os_vif.engine.privileged import policy_links, policy_moves, policy_records
from os_vif.engine.privileged.host_view import NO_UPLINKS, Call, HostView, is_loopback, refused
from os_vif.engine.privileged.policy_links import FOREIGN
from os_vif.escape import described_error
from os_vif.host.netlink import uapi
from os_vif.host.netlink.rtnetlink import CREATING_GROUP, MANAGED_ALIAS
from os_vif.host.sriov import functions
from os_vif.steps.ip import addresses
from os_vif.steps.ip.forwarding_rules import RestoreForwardingRules
from os_vif.steps.kernel_step import Irreversible
from os_vif.steps.link.restore_link import RestoreLink
from os_vif.steps.plugin_step import PluginStep
from os_vif.steps.pod.pod_step import PodStep
from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark, WriteVifRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.kernel_step import KernelStep

#: The file with the names of the permitted uplinks. Without the file, all uplinks are permitted.
UPLINKS = pathlib.Path("/etc/os-vif/uplinks")
#: The number of retries of a decision after another program has deleted a device.
_RETRIES = 2
#: ``IPV6_MIN_MTU``: the kernel deletes the IPv6 addresses of a device with a smaller MTU.
_MIN_HOST_MTU = 1280
#: Kinds of managed devices through which the host may be reached.
_HOST_KINDS = ("bond", "dummy", "ipvlan", "vlan", "vrf", "vxlan")
#: The values of sysctls that protect the host against packets from a device.
_HARDENING = {"disable_ipv6": 1, "arp_ignore": 1, "arp_announce": 2}


def permitted(net: Netlink, step: KernelStep, call: Call) -> bool:
    """Return whether to apply a step.

    :returns: whether to apply the step; False for a refused step without effect.
    :raises OSError: with EPERM if the step is not permitted.
    """
    if call.issued:
        return True
    require_readable(net, step, call)
    try:
        rule = _ask_plugin_step if isinstance(step, PluginStep) else RULES.get(type(step))
        if rule is None:
            raise refused(step, "no rule says what it may touch")
        _decide(rule, HostView(net, call), step)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        if type(step) not in _SILENT and not step.differences(net):
            return False
        raise
    return True


def require_readable(net: Netlink, step: KernelStep, call: Call) -> None:
    """Raise OSError with EPERM for a step in a network namespace that is no pod's.

    The daemon never enters such a namespace, neither to change nor to compare a device.
    """
    if isinstance(step, PodStep) and (step.netns, step.netns_id) not in call.pods:
        reason = PodStep.refusal(step, HostView(net, call))
        if reason is not None:
            raise refused(step, reason)
        # The namespace stays open for the call.
        call.pods.add((step.netns, step.netns_id))


def _decide(rule: Callable[[HostView, Any], None], view: HostView, step: KernelStep) -> None:
    """Apply a rule; retry if another program deletes a device during the decision."""
    for _ in range(_RETRIES):
        try:
            rule(view, step)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            # The cached link of the deleted device is stale.
            view.net.invalidate_cache()
        else:
            return
    rule(view, step)


def _ask_plugin_step(view: HostView, step: PluginStep) -> None:
    """Apply the rule of a plugin's step: any return value except None is a refusal."""
    try:
        reason = step.refusal(view)
    except OSError:
        # Another program deleted a device during the decision: see _decide().
        raise
    except Exception as error:
        raise refused(step, f"refusal() of the step raised {described_error(error)}") from error
    if reason is not None:
        raise refused(step, str(reason))
    if isinstance(step, PodStep) and step.uplink is not None:
        link = view.link(step.uplink)
        if link is not None and not view.is_vif(link):
            _require_allowed_uplink(step, link)


def _permit(_: HostView, step: KernelStep) -> None:
    """Permit a step that touches only managed devices, or records of os-vif."""


def _refuse(_: HostView, step: KernelStep) -> None:
    raise refused(step, "only the undo of a change of this daemon is")


def _require_joinable(view: HostView, step: known.SetLink) -> None:
    bridge = view.link(step.master or "")
    if bridge is not None and bridge.kind == "vrf":
        policy_links.own_devices(view, step)
        return
    if bridge is not None and not view.is_bridge(bridge):
        raise refused(step, f"{bridge.name} is no bridge that the call names by EnsureBridge")


def _set_link(view: HostView, step: known.SetLink) -> None:
    link = view.link(step.name)
    if link is None:
        return
    if is_loopback(link):
        raise refused(step, "it is the loopback device")
    if step.alias == MANAGED_ALIAS and not link.is_managed:
        raise refused(step, "only the daemon marks devices, and only those that it made")
    if step.group == CREATING_GROUP:
        raise refused(step, "its group is that of devices which the daemon is creating")
    if step.master:
        _require_joinable(view, step)
    if not view.is_vif(link):
        _set_foreign(view, step, link)
    elif view.is_hosts(link):
        _require_host_reachable(step, link)


def _set_foreign(view: HostView, step: known.SetLink, link: Link) -> None:
    """Check a step on a device of the host or of a hypervisor: an uplink, a bridge, a tap."""
    if step.address is not None and not _is_uplink_address(view, step, link):
        raise refused(step, "its MAC address is the host's")
    own = (step.promiscuous, step.alias, step.group, step.txqueuelen)
    if step.master == "" or any(value is not None for value in own):
        raise refused(step, FOREIGN)
    _require_host_reachable(step, link)
    if step.master:
        _check_uplink(view, step, link)
    elif link.kind == "bridge" and link.name in view.call.bridges:
        return
    elif link.name in view.call.parents and step.mtu is None:
        _require_allowed_uplink(step, link)
    elif step.up is not None or not _is_guest_device(link) or view.is_hosts(link):
        raise refused(step, FOREIGN)


def _is_guest_device(link: Link) -> bool:
    """Return whether hypervisors and container engines create devices of this kind."""
    tap = link.kind == "tun" and link.data.get("IFLA_TUN_TYPE", uapi.IFT_TAP) == uapi.IFT_TAP
    return tap or link.kind == "veth"


def _require_host_reachable(step: known.SetLink, link: Link) -> None:
    """Refuse changes that would disconnect the host."""
    if step.up is False:
        raise refused(step, "the host uses it, so it is not set down")
    if step.mtu is not None and step.mtu < min(_MIN_HOST_MTU, link.mtu):
        raise refused(step, f"the host uses it, so its MTU is at least {_MIN_HOST_MTU}")
    if step.master == "" and link.master:
        raise refused(step, "the host uses it, so it is not taken out of its bridge")


def _is_uplink_address(view: HostView, step: known.SetLink, bridge: Link) -> bool:
    """Return whether the new MAC address is that of the bridge, or of an uplink."""
    if bridge.kind != "bridge":
        return False
    found = {bridge.address, *(uplink.address for uplink in view.uplinks(bridge))}
    return step.address in found


def _check_uplink(view: HostView, step: known.SetLink, link: Link) -> None:
    """Require that a bridge has the addresses of an uplink before the uplink joins."""
    if link.kind in NO_UPLINKS:
        raise refused(step, f"a device of kind {link.kind} is no uplink")
    _require_allowed_uplink(step, link)
    bridge = view.link(step.master or "")
    if bridge is None or link.master == bridge.index:
        return
    lost = view.addresses_of(link).keys() - view.addresses_of(bridge).keys()
    if lost:
        some = ", ".join(sorted(address for address, _ in lost)[:3])
        reason = f"the bridge {bridge.name} does not have its addresses yet ({some})"
        raise refused(step, reason)


def _require_allowed_uplink(step: KernelStep, link: Link) -> None:
    try:
        with UPLINKS.open() as file:
            found = os.fstat(file.fileno())
            safe = found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            names = set(file.read().split()) if safe else set()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise refused(step, f"{UPLINKS} cannot be read: {error}") from error
    if not safe:
        raise refused(step, f"{UPLINKS} can be written by others than root")
    if link.name not in names:
        raise refused(step, f"{UPLINKS} does not name it")


def _sysctl(view: HostView, step: known.SetSysctl) -> None:
    link = view.link(step.name)
    if link is None or (step.only_managed and not link.is_managed):
        return
    if is_loopback(link):
        raise refused(step, "it is the loopback device")
    has_ipv6 = any(":" in address for address, _ in view.addresses_of(link))
    if step.key == "disable_ipv6" and step.value == 1 and has_ipv6 and not step.only_managed:
        raise refused(step, "it has IPv6 addresses of the host")
    if view.is_vif(link):
        return
    if link.kind == "bridge":
        if link.name in view.call.bridges and step.value == _HARDENING[step.key]:
            return
        on = step.key == "disable_ipv6" and step.value == 0
        if on and any(addresses.uses_ipv6(view.net, uplink) for uplink in view.uplinks(link)):
            return
    raise refused(step, FOREIGN)


def _vlan(view: HostView, step: known.EnsureVlan | known.EnsureVxlan) -> None:
    link = view.link(step.link or "")
    if link is None or view.link(step.name) is not None:
        return
    if is_loopback(link):
        raise refused(step, f"{link.name} below it is the loopback device")
    if not view.is_vif(link):
        _require_allowed_uplink(step, link)


def _vxlan(view: HostView, step: known.EnsureVxlan) -> None:
    if step.link is not None:
        _vlan(view, step)
    elif view.link(step.name) is None and UPLINKS.exists():
        raise refused(step, f"{UPLINKS} restricts the uplinks, and the step names no device")


def _delete_link(view: HostView, step: known.DeleteLink) -> None:
    link = view.link(step.name)
    if link is None or step.only_unattached:
        return
    if link.kind in _HOST_KINDS and link.is_managed and view.is_hosts(link):
        raise refused(step, "the host is reached through it")


def _forwarding(view: HostView, step: known.EnsureForwardingRules) -> None:
    link = view.link(step.name)
    if link is None or not view.is_bridge(link):
        raise refused(step, "it is no bridge that the call names by EnsureBridge")


def _set_vf(view: HostView, step: known.SetVf) -> None:
    pf = view.link(step.name)
    if pf is not None and step.pci_address is None and functions.address_of(pf.name) is not None:
        raise refused(step, "the step names no PCI address of the virtual function")
    link = None if step.link is None else view.link(step.link)
    if link is None:
        return
    if is_loopback(link):
        raise refused(step, f"{link.name} is the loopback device")
    down = step.link_up is False or step.link_ipv6 is False or step.link_address is not None
    if down and view.has_addresses(link):
        raise refused(step, f"the host uses {link.name}")


def _vdpa(_: HostView, step: known.EnsureVdpa | known.DeleteVdpa) -> None:
    bus, _slash, device = step.management_device.rpartition("/")
    if bus == "pci" and not functions.is_vf(device):
        raise refused(step, f"{device} is no virtual function")


#: The rule of each class of steps: a function, which raises EPERM for a forbidden step.
#: A class without a rule is not permitted.
RULES: dict[type[KernelStep], Callable[[HostView, Any], None]] = {
    # Creates a new device, and never changes an existing device. Exception: a detached half of a
    # VIF's veth pair is replaced.
    known.EnsureBridge: _permit,
    known.EnsureTap: _permit,
    known.EnsureVeth: _permit,
    known.EnsureMacvlan: policy_links.below,
    known.EnsureIpvlan: policy_links.below,
    known.EnsureVlan: _vlan,
    known.EnsureVxlan: _vxlan,
    known.EnsureBond: _permit,
    known.EnsureDummy: _permit,
    known.EnsureVrf: _permit,
    known.EnsureBondMember: policy_links.own_devices,
    known.DeleteBondMember: policy_links.own_devices,
    # The step itself requires the mark or the name, and keeps a bridge in use.
    known.DeleteBridge: _permit,
    known.DeleteLink: _delete_link,
    known.SetLink: _set_link,
    known.RenameLink: policy_links.rename,
    known.MoveLink: policy_links.move,
    known.SetSysctl: _sysctl,
    known.EnsureAddress: policy_moves.ensure_address,
    known.DeleteAddress: policy_moves.delete_address,
    known.EnsureRoute: policy_moves.ensure_route,
    known.DeleteRoute: policy_moves.delete_route,
    known.EnsureNeighbour: policy_moves.ensure_neighbour,
    known.DeleteNeighbour: policy_moves.delete_neighbour,
    known.SetInheritedSysctl: policy_moves.inherit_sysctl,
    known.SetBridgeAddress: policy_moves.fix_bridge_address,
    known.EnsureForwardingRules: _forwarding,
    # The name of the chain is that of os-vif, and the bridge is missing.
    known.DeleteForwardingRules: _permit,
    RestoreForwardingRules: _refuse,
    RestoreLink: _refuse,
    # Changes only records of os-vif.
    known.AddBridgeUser: _permit,
    known.RemoveBridgeUser: _permit,
    # The daemon derives the name of the file from the id of the VIF.
    WriteVifRecord: policy_records.write,
    DeleteVifRecord: policy_records.delete,
    RequireVifMark: _permit,
    known.SetVf: _set_vf,
    # Restores the settings of a record that only the daemon writes.
    known.ReleaseVf: _permit,
    known.EnsureVdpa: _vdpa,
    known.DeleteVdpa: _vdpa,
    # Applying the step always fails.
    Irreversible: _permit,
}

#: Steps that may have no ``differences`` and still change the host.
_SILENT = frozenset({RestoreForwardingRules, RestoreLink, known.MoveLink})
