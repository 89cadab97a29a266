# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for virtual functions: settings through the physical function, and the allocation to a VIF."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host import limits
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.sriov import functions, vf_settings
from os_vif.host.sriov.vf_settings import GROUPS, OF_LINK, PROTOCOLS, SETTINGS, STATES
from os_vif.host.state import vf_allocations
from os_vif.host.state.directory import STATE
from os_vif.steps import validate
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep
from os_vif.steps.rollback import roll_back_partial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.host.sriov.vf_settings import Settings
    from os_vif.host.state.vf_allocations import Function

#: linux/if_link.h has 32 bits for the number of a function, and for a rate.
_MAX_NUMBER = 2**32 - 1
_MAX_QOS = 7
_MAX_USER = 255
_UNSET: dict[str, Any] = dict.fromkeys(setting.name for setting in SETTINGS)
#: Order of the settings of the own network device when the device is set down: IPv6 stays off while
#: the device is up.
_OF_LINK_DOWN = ("link_up", "link_address", "link_ipv6")


@dataclasses.dataclass(frozen=True)
class SetVf(NamedStep, KernelStep):
    """A virtual function has the given settings. None leaves a setting unchanged.

    With ``user``, the function is allocated to a VIF: ``/run/os-vif`` records the previous settings
    before the first change, and :class:`ReleaseVf` restores them. If the driver refuses a setting,
    the settings before are restored.

    :raises OSError: with ENODEV if a device is missing, or if *pci_address* or *link* is another
        function; with EBUSY if the function is allocated to another VIF; with the errno of the
        driver if the driver refuses a setting.

    Equivalent to: ``ip link set dev NAME vf NUMBER ...``
    """

    #: Name of the network device of the physical function.
    name: str
    #: Number of the virtual function on the physical function.
    number: int
    #: PCI address of the virtual function. The step fails if the function of the number has another
    #: address. None for a simulated function without an address.
    pci_address: str | None
    #: Id of the VIF that owns the function from now on; None allocates nothing.
    user: str | None = None
    #: MAC address, in lower case with colons.
    mac: str | None = None
    #: VLAN id; 0 is no VLAN.
    vlan: int | None = None
    #: Priority of the VLAN tag, 0 to 7; needs *vlan*.
    vlan_qos: int | None = None
    #: Protocol of the VLAN tag, ``802.1Q`` or ``802.1ad``; needs *vlan*.
    vlan_proto: str | None = None
    #: The guest may change the MAC address and use promiscuous mode.
    trusted: bool | None = None
    #: The card drops packets from other MAC addresses.
    spoof_check: bool | None = None
    #: Guaranteed rate in Mbit/s; 0 is no guarantee.
    min_tx_rate: int | None = None
    #: Limit of the rate in Mbit/s; 0 is no limit.
    max_tx_rate: int | None = None
    #: State of the link as the guest sees the link: ``auto``, ``enable`` or ``disable``.
    link_state: str | None = None
    #: Name of the network device of the virtual function, for the following settings. The driver
    #: reads the settings above when the device comes up.
    link: str | None = None
    #: The device has IPv6 (``disable_ipv6`` is 0).
    link_ipv6: bool | None = None
    #: The device is up.
    link_up: bool | None = None
    #: MAC address of the device, in lower case with colons.
    link_address: str | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, *filter(None, (self.pci_address, self.link)))

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "number", 0, _MAX_NUMBER)
        # The record of an allocation has the PCI address as the key.
        validate.pci_address(self, "pci_address", optional=self.user is None)
        validate.text(self, "user", _MAX_USER, optional=True)
        # The kernel sets a VLAN tag as a whole.
        untagged = self.vlan_qos is None and self.vlan_proto is None
        validate.integer(self, "vlan", 0, limits.MAX_VLAN, optional=untagged)
        validate.integer(self, "vlan_qos", 0, _MAX_QOS, optional=True)
        for name in ("min_tx_rate", "max_tx_rate"):
            validate.integer(self, name, 0, _MAX_NUMBER, optional=True)
        for name, values in (("vlan_proto", PROTOCOLS), ("link_state", STATES)):
            if getattr(self, name) is not None:
                validate.one_of(self, name, values, f"one of {', '.join(values)}")
        for name in ("trusted", "spoof_check", "link_ipv6", "link_up"):
            validate.boolean(self, name, optional=True)
        for name in ("mac", "link_address"):
            validate.mac(self, name, optional=True)
        has_link_settings = any(getattr(self, name) is not None for name in OF_LINK)
        validate.device_name(self, "link", optional=not has_link_settings)
        if has_link_settings:
            validate.pci_address(self, "pci_address")

    @property
    def wanted(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        names = [name for group in GROUPS for name in group] + [*self._link_order]
        return {n: value for n in names if (value := getattr(self, n)) is not None}

    @property
    def _link_order(self) -> tuple[str, ...]:
        """The settings of the own network device, in the order in which they are set."""
        return OF_LINK if self.link_up is not False else _OF_LINK_DOWN

    def _groups_of(self, names: Mapping[str, Any]) -> list[list[str]]:
        """Return the given settings in the order of the requests, grouped by request."""
        groups = [[name for name in group if name in names] for group in GROUPS]
        groups += [[name] for name in self._link_order if name in names]
        return [group for group in groups if group]

    def commands(self) -> tuple[str, ...]:
        vf = f"VF {self.number} of {quote(self.name)}"
        lines = [self._group_command(group, vf) for group in self._groups_of(self.wanted)]
        if self.user is not None:
            text = f"# {STATE} notes that VIF {self.user} has {vf} ({self.pci_address})"
            lines.insert(0, text)
        return tuple(lines) or (f"# {vf} stays as it is",)

    def _group_command(self, group: list[str], vf: str) -> str:
        """Return the command that sets a group of settings."""
        link = f"ip link set dev {quote(self.link or '')}"
        match group:
            case ["link_ipv6"]:
                return f"{self._sysctl(off=not self.link_ipv6).commands()[0]}  # {vf}"
            case ["link_up"]:
                return f"{link} {'up' if self.link_up else 'down'}  # {vf}"
            case ["link_address"]:
                return f"{link} address {self.link_address}  # {vf}"
            case _:
                words = [
                    f"{vf_settings.BY_NAME[name].word} {_show_setting(getattr(self, name))}"
                    for name in group
                ]
                return f"ip link set dev {quote(self.name)} vf {self.number} {' '.join(words)}"

    def _sysctl(self, *, off: bool) -> SetSysctl:
        return SetSysctl(self.link or "", "disable_ipv6", int(off))

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        pf = net.link(self.name)
        if pf is None:
            return (self.difference("device", "missing", "there"),)
        try:
            function = self._function(pf)
            current = self._read(net, pf)
        except OSError as error:
            return (self.difference(f"VF {self.number}", error.strerror, "there"),)
        different = [
            self._difference(name, value)
            for name, value in self._replaced(current).items()
            if value != getattr(self, name)
        ]
        if function is not None and self.user is not None:
            owner = vf_allocations.read_allocation(function)
            if owner is None or owner.user != self.user:
                found = "no VIF" if owner is None else f"VIF {owner.user}"
                text = f"holder of {self.pci_address}"
                different.append(self.difference(text, found, f"VIF {self.user}"))
        return tuple(different)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        pf = net.require(self.name)
        function = self._function(pf)
        before = self._replaced(self._read(net, pf))
        if function is None or self.user is None:
            self._set(net, pf, before)
            return (self._with(before),) if before else ()
        present = vf_allocations.read_allocation(function)
        if present is not None and present.user != self.user:
            reason = f"VF {self.number} ({self.pci_address}) is held by VIF {present.user}"
            raise OSError(errno.EBUSY, reason)
        if present is not None and not before:
            return ()
        # The record keeps the settings from before the first plug of the VIF.
        original = {**before, **({} if present is None else present.before)}
        known = {name: value for name, value in original.items() if value is not None}
        allocation = vf_allocations.Allocation(self.user, known)
        vf_allocations.write_allocation(function, allocation)
        try:
            self._set(net, pf, before)
        except OSError:
            if present is None:
                vf_allocations.delete_record(function.vf.address)
            else:
                vf_allocations.write_allocation(function, present)
            raise
        if present is None:
            return (ReleaseVf(function.vf.address, self.user),)
        return (self._with(before),)

    def _function(self, pf: Link) -> Function | None:
        """Return the virtual function; None for a simulated one.

        :raises OSError: with ENODEV if the function of the number has another PCI address.
        """
        if self.pci_address is None:
            return None
        vf = functions.vf(self.pci_address)
        if vf.number != self.number or functions.address_of(self.name) != vf.pf_address:
            reason = f"{self.pci_address} is VF {vf.number} of {vf.pf_address}, not {self._vf}"
            raise OSError(errno.ENODEV, reason)
        return vf_allocations.Function(vf, pf)

    def _read(self, net: Netlink, pf: Link) -> Settings:
        """Return the current settings of the function, and of the own network device if given."""
        current = vf_settings.get(net, pf, self.number)
        if current is None:
            raise OSError(errno.ENODEV, f"there is no {self._vf}")
        if self.link is None:
            return current
        link = self._require_link(net)
        on, off = self._sysctl(off=False).has_value(), self._sysctl(off=True).has_value()
        # A kernel without IPv6 has no such parameter, and every value counts as right.
        ipv6 = self.link_ipv6 if on and off else on
        return {**current, "link_ipv6": ipv6, "link_up": link.up, "link_address": link.address}

    def _require_link(self, net: Netlink) -> Link:
        """Return the own network device of the function.

        :raises OSError: with ENODEV if the device is missing, or belongs to another function.
        """
        link = net.require(self.link or "")
        if functions.address_of(link.name) != self.pci_address:
            reason = f"{link.name} is not the network device of VF {self.pci_address}"
            raise OSError(errno.ENODEV, reason)
        return link

    @property
    def _vf(self) -> str:
        return f"VF {self.number} of {self.name}"

    def _replaced(self, current: Settings) -> dict[str, Any]:
        """Return the current values of the settings that the step changes."""
        replaced = {
            name: current.get(name)
            for name, value in self.wanted.items()
            if current.get(name) != value
        }
        if replaced.keys() & {"vlan_qos", "vlan_proto"}:
            replaced.setdefault("vlan", current.get("vlan"))
        return replaced

    def _difference(self, name: str, found: Any) -> Difference:
        vf = f"VF {self.number}, {self.link}" if name in OF_LINK else f"VF {self.number}"
        shown = vf_settings.BY_NAME[name].shown
        return self.difference(
            f"{vf}: {shown}", _show_setting(found), _show_setting(getattr(self, name))
        )

    def _with(self, values: Mapping[str, Any]) -> SetVf:
        """Return the step for the same function with the given settings only, without a VIF."""
        return dataclasses.replace(self, user=None, **{**_UNSET, **values})

    def _set(self, net: Netlink, pf: Link, changed: Mapping[str, Any]) -> None:
        """Set the changed settings, a request for each group.

        :raises OSError: if the driver refuses a group; the groups before are then rolled back.
        """
        undo: list[KernelStep] = []
        for group in self._groups_of(changed):
            # Read again: an earlier request may have changed a coupled setting.
            current = self._read(net, pf)
            wanted = {**current, **{name: getattr(self, name) for name in group}}
            try:
                self._put(net, pf, group, wanted)
            except OSError as error:
                refused = self._refusal(group, pf, error)
                roll_back_partial(net, undo, refused)
                raise refused from error
            coupled = next((names for names in GROUPS if group[0] in names), group)
            undo.insert(0, self._with({name: current.get(name) for name in coupled}))

    def _put(self, net: Netlink, pf: Link, group: Sequence[str], wanted: Settings) -> None:
        """Set a group of settings."""
        match group:
            case ["link_ipv6"]:
                self._sysctl(off=not wanted["link_ipv6"]).apply(net)
            case ["link_up"]:
                net.set(self._require_link(net), up=wanted["link_up"])
            case ["link_address"]:
                _set_address(net, self._require_link(net), wanted["link_address"])
            case _:
                vf_settings.put(net, pf, self.number, group, wanted)

    def _refusal(self, group: Sequence[str], pf: Link, error: OSError) -> OSError:
        """Return the error for a group of settings that the driver refuses."""
        settings = " and ".join(
            f"{vf_settings.BY_NAME[name].shown} {_show_setting(getattr(self, name))}"
            for name in group
        )
        vf = self._vf if group[0] not in OF_LINK else f"{self._vf}, {self.link}"
        # Some drivers accept rates only when the speed of the cable is known.
        state = "" if pf.carrier else f"; {self.name} {'has no carrier' if pf.up else 'is down'}"
        return OSError(error.errno, f"{vf}: {settings}: {error.strerror}{state}")


@dataclasses.dataclass(frozen=True)
class ReleaseVf(KernelStep):
    """A virtual function is not allocated to a VIF, and has the settings from before the allocation.

    The step holds for a function without a record, for a function of another VIF, and for a
    function that is missing or was created anew.

    :raises OSError: if the driver refuses a setting; then the function stays allocated.

    Equivalent to: ``ip link set dev PF vf NUMBER ...``, with the values that :class:`SetVf` recorded
    """

    #: PCI address of the virtual function.
    pci_address: str
    #: Id of the VIF.
    user: str

    @property
    def device(self) -> str:
        return self.pci_address

    def validate(self) -> None:
        validate.pci_address(self, "pci_address")
        validate.text(self, "user", _MAX_USER)

    def commands(self) -> tuple[str, ...]:
        text = f"the settings that {STATE} notes for VIF {self.user} are restored"
        return (f"# VF {self.pci_address}: {text}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        function = self._function(net)
        allocation = vf_allocations.read_allocation(function) if function is not None else None
        if allocation is None or allocation.user != self.user:
            return ()
        return (self.difference("holder", f"VIF {self.user}", "no VIF"),)

    def holds(self, net: Netlink) -> bool:
        # apply() deletes a record of an earlier incarnation too.
        return not vf_allocations.has_record(self.pci_address)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        function = self._function(net)
        allocation = vf_allocations.read_allocation(function) if function is not None else None
        if function is None or allocation is None:
            vf_allocations.delete_record(self.pci_address)
            return ()
        vf_allocations.discard_incomplete(self.pci_address)
        if allocation.user != self.user:
            return ()
        original = dict(allocation.before)
        link = functions.vf_device(function.vf)
        if link is None:
            # A guest has the function, or a driver without network devices is bound.
            original = {name: value for name, value in original.items() if name not in OF_LINK}
        restore = SetVf(
            function.pf.name, function.vf.number, self.pci_address, link=link, **original
        )
        released = {
            name: value
            for step in restore.apply(net)
            if isinstance(step, SetVf)
            for name, value in step.wanted.items()
        }
        vf_allocations.delete_record(self.pci_address)
        return (dataclasses.replace(restore, user=self.user, **{**_UNSET, **released}),)

    def _function(self, net: Netlink) -> Function | None:
        """Return the virtual function; None if missing."""
        with ignoring(errno.ENODEV):
            return vf_allocations.find_function(net, self.pci_address)
        return None


def _set_address(net: Netlink, link: Link, address: str | None) -> None:
    """Set the MAC address of a device; set the device down for a driver that requires it.

    Some drivers read the MAC address of the card only when the device goes down (igbvf).
    """
    try:
        net.set(link, address=address)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL or not link.up:
            raise
    else:
        return
    net.set(link, up=False)
    try:
        net.set(link, address=address)
    finally:
        net.set(link, up=True)


def _show_setting(value: Any) -> str:
    """Return a value in the words of ip-link(8)."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unknown" if value is None else str(value)
