# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for what a virtual function has from its physical function: MAC address, VLAN, rates."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host import limits
from os_vif.host.sriov import functions, vf_settings
from os_vif.host.sriov.vf_settings import GROUPS, Settings
from os_vif.host.state import vf_allocations
from os_vif.host.state.directory import STATE
from os_vif.steps import validate
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.host.state.vf_allocations import Function

#: linux/if_link.h has 32 bits for a number, and for a rate.
_MAX_NUMBER = 2**32 - 1
_MAX_QOS = 7
_PROTOCOLS = ("802.1Q", "802.1ad")
_STATES = ("auto", "enable", "disable")
_MAX_USER = 255
#: What errors and ``check`` call them.
_SHOWN = {
    "mac": "MAC address",
    "vlan": "VLAN",
    "vlan_qos": "VLAN priority",
    "vlan_proto": "VLAN protocol",
    "trusted": "trust",
    "spoof_check": "spoof check",
    "min_tx_rate": "minimum rate",
    "max_tx_rate": "maximum rate",
    "link_state": "link state",
    "link_ipv6": "IPv6",
    "link_up": "state",
    "link_address": "MAC address",
}
#: Those of the function's own network device, in the order in which they are set, and in which
#: they are put back on one that was down.
_OF_LINK = (("link_ipv6",), ("link_up",), ("link_address",))
_BACK = (("link_up",), ("link_address",), ("link_ipv6",))
_LINK_FIELDS = tuple(name for (name,) in _OF_LINK)


@dataclasses.dataclass(frozen=True)
class SetVf(NamedStep, KernelStep):
    """Settings of a virtual function, through its physical function. None leaves one as it is.

    With ``user``, ``/run/os-vif`` notes what is changed before it is, so that
    :class:`ReleaseVf` can put it back; one that another VIF holds is refused.
    Equivalent to: ``ip link set dev NAME vf NUMBER ...``
    """

    #: The network device of the physical function.
    name: str
    number: int
    #: The PCI address of the virtual function. If it is not the one of that number, that is an
    #: error. None for a simulated one, which has none.
    pci_address: str | None
    #: The id of the VIF that holds it from now on.
    user: str | None = None
    mac: str | None = None
    #: 0 is none.
    vlan: int | None = None
    vlan_qos: int | None = None
    vlan_proto: str | None = None
    trusted: bool | None = None
    spoof_check: bool | None = None
    #: Mbit/s; 0 is none.
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None
    link_state: str | None = None
    #: The network device of the virtual function, for what follows: it has no addresses of IPv6,
    #: is up, and has a MAC address. Its driver asks the physical function when it comes up.
    link: str | None = None
    link_ipv6: bool | None = None
    link_up: bool | None = None
    link_address: str | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, *filter(None, (self.pci_address, self.link)))

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "number", 0, _MAX_NUMBER)
        # Who holds a function is noted by its PCI address.
        validate.pci_address(self, "pci_address", optional=self.user is None)
        if self.user is not None:
            validate.text(self, "user", _MAX_USER)
        validate.mac(self, "mac", optional=True)
        # The rest of a tag is nothing without its number.
        untagged = self.vlan_qos is None and self.vlan_proto is None
        validate.integer(self, "vlan", 0, limits.MAX_VLAN, optional=untagged)
        validate.integer(self, "vlan_qos", 0, _MAX_QOS, optional=True)
        if self.vlan_proto is not None:
            validate.one_of(self, "vlan_proto", _PROTOCOLS, f"one of {', '.join(_PROTOCOLS)}")
        validate.boolean(self, "trusted", optional=True)
        validate.boolean(self, "spoof_check", optional=True)
        validate.integer(self, "min_tx_rate", 0, _MAX_NUMBER, optional=True)
        validate.integer(self, "max_tx_rate", 0, _MAX_NUMBER, optional=True)
        if self.link_state is not None:
            validate.one_of(self, "link_state", _STATES, f"one of {', '.join(_STATES)}")
        alone = all(getattr(self, name) is None for name in _LINK_FIELDS)
        validate.device_name(self, "link", optional=alone)
        if not alone:
            validate.pci_address(self, "pci_address")
        validate.boolean(self, "link_ipv6", optional=True)
        validate.boolean(self, "link_up", optional=True)
        validate.mac(self, "link_address", optional=True)

    @property
    def wanted(self) -> dict[str, Any]:
        """Return the values of the fields that are set, by the name of the field."""
        names = [name for group in self._groups for name in group]
        return {n: value for n in names if (value := getattr(self, n)) is not None}

    @property
    def _groups(self) -> tuple[tuple[str, ...], ...]:
        return (*GROUPS, *(_OF_LINK if self.link_up is not False else _BACK))

    def commands(self) -> tuple[str, ...]:
        wanted, lines = self.wanted, []
        of = f"VF {self.number} of {quote(self.name)}"
        for group in GROUPS:
            words = [_word(name, wanted[name]) for name in group if name in wanted]
            if words:
                lines.append(
                    f"ip link set dev {quote(self.name)} vf {self.number} {' '.join(words)}"
                )
        for (name,) in self._groups[len(GROUPS) :]:
            if name in wanted:
                lines.append(f"{self._command(name)}  # {of}")
        if self.user is not None:
            # Before the first change.
            text = f"# {STATE} notes that VIF {self.user} has {of} ({self.pci_address})"
            lines.insert(0, text)
        return tuple(lines) or (f"# {of} stays as it is",)

    def _command(self, name: str) -> str:
        link = self.link or ""
        if name == "link_ipv6":
            return self._sysctl(off=not self.link_ipv6).commands()[0]
        word = _show(self.link_address) if name == "link_address" else ""
        if name == "link_up":
            return f"ip link set dev {quote(link)} {'up' if self.link_up else 'down'}"
        return f"ip link set dev {quote(link)} address {word}"

    def _sysctl(self, *, off: bool) -> SetSysctl:
        return SetSysctl(self.link or "", "disable_ipv6", int(off))

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        pf = net.link(self.name)
        if pf is None:
            return (self.difference("device", "missing", "there"),)
        try:
            function = self._function(pf)
            found = self._found(net, pf)
        except OSError as error:
            return (self.difference(f"VF {self.number}", error.strerror, "there"),)
        different = [
            self._difference(name, before)
            for name, before in self._before(found).items()
            if before != getattr(self, name)
        ]
        if function is not None and self.user is not None:
            held = vf_allocations.read_allocation(function)
            if held is None or held.user != self.user:
                holder = "no VIF" if held is None else f"VIF {held.user}"
                text = f"holder of {self.pci_address}"
                different.append(self.difference(text, holder, f"VIF {self.user}"))
        return tuple(different)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        pf = net.require(self.name)
        function = self._function(pf)
        before = self._before(self._found(net, pf))
        if function is None or self.user is None:
            self._set(net, pf, before)
            return (self._with(before),) if before else ()
        held = vf_allocations.read_allocation(function)
        if held is not None and held.user != self.user:
            reason = f"VF {self.number} ({self.pci_address}) is held by VIF {held.user}"
            raise OSError(errno.EBUSY, reason)
        if held is None:
            vf_allocations.write_allocation(
                function, vf_allocations.Allocation(self.user, Settings(**before))
            )
        elif not before:
            return ()
        else:
            first = {k: v for k, v in dataclasses.asdict(held.before).items() if v is not None}
            noted = dataclasses.replace(held, before=Settings(**before | first))
            vf_allocations.write_allocation(function, noted)
        try:
            self._set(net, pf, before)
        except OSError:
            if held is None:
                vf_allocations.delete_record(function.vf.address)
            else:
                vf_allocations.write_allocation(function, held)
            raise
        if held is None:
            return (ReleaseVf(function.vf.address, self.user),)
        return (self._with(before),)

    def _function(self, pf: Link) -> Function | None:
        """:raises OSError: with ENODEV if the PCI address is not that of the number."""
        if self.pci_address is None:
            return None
        vf = functions.vf(self.pci_address)
        if vf.number != self.number or functions.address_of(self.name) != vf.pf_address:
            reason = f"{self.pci_address} is VF {vf.number} of {vf.pf_address}, not {self._vf}"
            raise OSError(errno.ENODEV, reason)
        return vf_allocations.Function(vf, pf)

    def _found(self, net: Netlink, pf: Link) -> Settings:
        found = vf_settings.get(net, pf, self.number)
        if found is None:
            raise OSError(errno.ENODEV, f"there is no {self._vf}")
        if self.link is None:
            return found
        link = self._link(net)
        on, off = self._sysctl(off=False).has_value(), self._sysctl(off=True).has_value()
        # A kernel without IPv6 has neither, and counts as right.
        ipv6 = self.link_ipv6 if on and off else on
        return dataclasses.replace(
            found, link_ipv6=ipv6, link_up=link.up, link_address=link.address
        )

    def _link(self, net: Netlink) -> Link:
        """:raises OSError: with ENODEV if the device is not that of the function."""
        link = net.require(self.link or "")
        if functions.address_of(link.name) != self.pci_address:
            reason = f"{link.name} is not the network device of VF {self.pci_address}"
            raise OSError(errno.ENODEV, reason)
        return link

    @property
    def _vf(self) -> str:
        return f"VF {self.number} of {self.name}"

    def _before(self, found: Settings) -> dict[str, Any]:
        """What it has in place of what it should have, by field."""
        before = {
            name: getattr(found, name)
            for name, value in self.wanted.items()
            if getattr(found, name) != value
        }
        if before.keys() & {"vlan_qos", "vlan_proto"}:
            before.setdefault("vlan", found.vlan)
        return before

    def _difference(self, name: str, found: Any) -> Difference:
        of = f"VF {self.number}, {self.link}" if name in _LINK_FIELDS else f"VF {self.number}"
        expected = getattr(self, name)
        return self.difference(f"{of}: {_SHOWN[name]}", _show(found), _show(expected))

    def _with(self, values: dict[str, Any]) -> SetVf:
        """The same with other settings, and no others."""
        blank = dict.fromkeys(_SHOWN)
        return dataclasses.replace(self, user=None, **{**blank, **values})

    def _set(self, net: Netlink, pf: Link, before: dict[str, Any]) -> None:
        """Set what differs, one after the other; if one is refused, those before it are undone."""
        done: list[tuple[tuple[str, ...], Settings]] = []
        for group in self._groups:
            names = [name for name in group if name in before]
            if not names:
                continue
            # Just before: what goes together may have changed with what was set.
            found = self._found(net, pf)
            wanted = dataclasses.replace(found, **{n: getattr(self, n) for n in names})
            try:
                self._put(net, pf, group, wanted)
            except OSError as error:
                refused = self._refused(names, pf, error)
                self._take_back(net, pf, done, refused)
                raise refused from error
            done.append((group, found))

    def _put(self, net: Netlink, pf: Link, group: tuple[str, ...], wanted: Settings) -> None:
        match group:
            case ("link_ipv6",):
                self._sysctl(off=not wanted.link_ipv6).apply(net)
            case ("link_up",):
                net.set(self._link(net), up=wanted.link_up)
            case ("link_address",):
                _set_address(net, self._link(net), wanted.link_address)
            case _:
                vf_settings.put(net, pf, self.number, group, wanted)

    def _refused(self, names: list[str], pf: Link, error: OSError) -> OSError:
        what = " and ".join(f"{_SHOWN[n]} {_show(getattr(self, n))}" for n in names)
        of = self._vf if names[0] not in _LINK_FIELDS else f"{self._vf}, {self.link}"
        # Rates, for one, some drivers take only when they know the speed of the cable.
        state = "" if pf.carrier else f"; {self.name} {'has no carrier' if pf.up else 'is down'}"
        return OSError(error.errno, f"{of}: {what}: {error.strerror}{state}")

    def _take_back(
        self,
        net: Netlink,
        pf: Link,
        done: list[tuple[tuple[str, ...], Settings]],
        refused: OSError,
    ) -> None:
        for group, found in reversed(done):
            try:
                self._put(net, pf, group, found)
            except OSError as error:
                values = {name: getattr(found, name) for name in group}
                command = self._with(values).commands()[0]
                text = f"{refused.strerror}; and then not undone: {command}: {error.strerror}"
                raise OSError(refused.errno, text) from error


@dataclasses.dataclass(frozen=True)
class ReleaseVf(KernelStep):
    """A VIF does not hold a virtual function, which has the settings that it had before.

    One that has gone, or has been made anew, has nothing to put back.
    Equivalent to: ``ip link set dev PF vf NUMBER ...`` with what was noted, by :class:`SetVf`
    """

    pci_address: str
    #: The id of the VIF.
    user: str

    @property
    def device(self) -> str:
        return self.pci_address

    def validate(self) -> None:
        validate.pci_address(self, "pci_address")
        validate.text(self, "user", _MAX_USER)

    def commands(self) -> tuple[str, ...]:
        text = f"the settings that {STATE} notes for VIF {self.user} are put back"
        return (f"# VF {self.pci_address}: {text}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        function = self._function(net)
        held = vf_allocations.read_allocation(function) if function is not None else None
        if held is None or held.user != self.user:
            return ()
        return (self.difference("holder", f"VIF {self.user}", "no VIF"),)

    def holds(self, net: Netlink) -> bool:
        # Also one of a function that has gone is taken away.
        return not vf_allocations.has_record(self.pci_address)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        function = self._function(net)
        held = vf_allocations.read_allocation(function) if function is not None else None
        if function is None or held is None:
            vf_allocations.delete_record(self.pci_address)
            return ()
        vf_allocations.discard_incomplete(self.pci_address)
        if held.user != self.user:
            return ()
        before = {k: v for k, v in dataclasses.asdict(held.before).items() if v is not None}
        link = functions.vf_device(function.vf)
        if link is None:
            # It is in a guest, or another driver has the function.
            before = {k: v for k, v in before.items() if k not in _LINK_FIELDS}
        back = SetVf(function.pf.name, function.vf.number, self.pci_address, link=link, **before)
        after = {
            name: value
            for step in back.apply(net)
            if isinstance(step, SetVf)
            for name, value in step.wanted.items()
        }
        vf_allocations.delete_record(self.pci_address)
        return (dataclasses.replace(back, user=self.user, **{**dict.fromkeys(_SHOWN), **after}),)

    def _function(self, net: Netlink) -> Function | None:
        try:
            return vf_allocations.find_function(net, self.pci_address)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return None


def _set_address(net: Netlink, link: Link, address: str | None) -> None:
    """Some drivers ask the card for its address only when the device goes down (igbvf)."""
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


def _word(name: str, value: Any) -> str:
    """Return a setting of a virtual function in the words of ip-link(8)."""
    words = {
        "vlan_qos": "qos",
        "vlan_proto": "proto",
        "trusted": "trust",
        "spoof_check": "spoofchk",
        "link_state": "state",
    }
    return f"{words.get(name, name)} {_show(value)}"


def _show(value: Any) -> str:
    if value is None:
        return "unknown"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
