# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""PCI functions, network devices of PCI functions, and representors of virtual functions.

sysfs tells the physical function of a virtual function (Documentation/ABI/testing/sysfs-bus-pci of
the kernel). rtnetlink(7) and devlink tell the role of a network device
(:mod:`os_vif.host.sriov.switch_ports`). Only devices of this network namespace count, although
/sys may show another network namespace. doc/source/reference/finding_devices.rst describes the
search. The functions need no privileges.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import time
from typing import Self

from os_vif.host.limits import is_pci_address
from os_vif.host.sriov import switch_ports
from os_vif.host.sriov.switch_ports import Port, Role

#: The mount point of sysfs. Tests replace the path.
SYS = pathlib.Path("/sys")

#: Longest interval between two searches while waiting for a representor, in seconds.
_PAUSE = 1.0


@dataclasses.dataclass(frozen=True)
class Vf:
    """A virtual function: a PCI device, and a number on a physical function."""

    #: PCI address of the virtual function.
    address: str
    #: Number on the physical function.
    number: int
    #: PCI address of the physical function.
    pf_address: str

    def __str__(self) -> str:
        return f"VF {self.number} of {self.pf_address}"


def vf(address: str) -> Vf:
    """Return the virtual function at a PCI address, such as 0000:03:00.2.

    :raises OSError: with ENODEV if the PCI device is missing, or is no virtual function.
    """
    device = _pci_directory(address)
    try:
        pf_address = (device / "physfn").readlink().name
    except OSError as error:
        if not device.exists():
            reason = f"there is no PCI device {address}"
        elif has_vfs(address):
            reason = f"{address} is a physical function, not a virtual function"
        else:
            reason = f"{address} is a PCI device, not a virtual function"
        raise OSError(errno.ENODEV, reason) from error
    number, physical = 0, _pci_directory(pf_address).resolve()
    try:
        # A card may have hundreds of functions; pathlib takes four times as long.
        while not os.readlink(f"{physical}/virtfn{number}").endswith(f"/{address}"):  # noqa: PTH115
            number += 1
    except OSError as error:
        reason = f"{address} is none of the virtual functions of {pf_address}"
        raise OSError(errno.ENODEV, reason) from error
    return Vf(address, number, pf_address)


def representor(function: Vf, wait: float = 0.0) -> str:
    """Return the name of the representor of a virtual function.

    :param wait: seconds to wait for a missing representor.
    :raises OSError: with ENODEV if the representor is missing; with EOPNOTSUPP if the card is not in
        switchdev mode; with ENOTUNIQ if several devices may be the representor.
    """
    deadline = time.monotonic() + wait
    try:
        return _find_representor(function)
    except OSError as error:
        if error.errno != errno.ENODEV or wait <= 0:
            raise
    with switch_ports.changes() as changed:
        while True:
            try:
                return _find_representor(function)
            except OSError as error:
                left = deadline - time.monotonic()
                if error.errno != errno.ENODEV or left <= 0:
                    raise
            changed(min(left, _PAUSE))


def devices(address: str) -> list[str]:
    """Return the names of the network devices of a PCI function, the uplink of a switch first.

    Since Linux 5.8, representors of virtual functions may be among the devices (LP 1892132).
    """
    return [port.name for port in _devices(address)]


def pf_device(function: Vf) -> str:
    """Return the network device of the physical function, which sets the virtual functions.

    :raises OSError: with ENODEV if the physical function has no device in this network namespace.
    """
    uplinks = [
        port for port in switch_ports.devlink(function.pf_address) if port.role is Role.UPLINK
    ]
    if len(uplinks) == 1 and uplinks[0].name:
        return uplinks[0].name
    for port in _devices(function.pf_address):
        if port.role in (Role.UPLINK, Role.UNKNOWN):
            return port.name
    reason = f"{function.pf_address} has no network device in this network namespace"
    raise OSError(errno.ENODEV, reason)


def vf_device(function: Vf) -> str | None:
    """Return the network device of a virtual function; None if not in this network namespace."""
    return next(iter(devices(function.address)), None)


def switch_of(device: str) -> str | None:
    """Return the id of the switch of a port; None for a device that is no port of a switch."""
    for port in switch_ports.links(device):
        if port.switch is None and _is_here(port):
            return _read_text(_net_directory(device) / "phys_switch_id") or None
        return port.switch
    return None


def address_of(device: str) -> str | None:
    """Return the PCI address of the function of a network device; None for other devices."""
    for port in switch_ports.links(device):
        return port.address or _parent(port)
    return None


def is_vf(address: str) -> bool:
    """Return whether a PCI function is a virtual function."""
    return os.path.lexists(_pci_directory(address) / "physfn")


def is_vf_device(device: str) -> bool:
    """Return whether a network device is the own device of a virtual function."""
    address = address_of(device)
    return address is not None and switch_of(device) is None and is_vf(address)


def is_representor(device: str) -> bool:
    """Return whether a network device is the representor of a virtual function."""
    if switch_of(device) is None:
        return False
    for port in switch_ports.links(device):
        if port.role is Role.UNKNOWN and _is_here(port):
            port.classify(_read_text(_net_directory(device) / "phys_port_name"))
        return port.role is Role.VF
    return False


def has_vfs(address: str) -> bool:
    """Return whether a PCI function can have virtual functions."""
    total = _read_text(_pci_directory(address) / "sriov_totalvfs")
    return bool(total) and total != "0"


def _find_representor(function: Vf) -> str:
    """Return the representor of a virtual function, without waiting."""
    known = switch_ports.devlink(function.pf_address)
    own = known or _below(function.pf_address)
    functions = [p for p in own if p.role is Role.VF and p.address == function.pf_address]
    # All representors below a physical function with one number belong to the physical function.
    if len({port.pf for port in functions}) == 1:
        match [port.name for port in functions if port.vf == function.number and port.name]:
            case [name]:
                return name
            case [] if known:
                # devlink lists all representors of the physical function with their numbers. Any
                # remaining device represents a virtual function of another physical function.
                raise _no_representor(function)
    on_switch = _on_switch(function.pf_address)
    if not on_switch:
        # Waiting does not help, so the error is not ENODEV.
        raise OSError(errno.EOPNOTSUPP, f"{function.pf_address} is not in switchdev mode")
    return _choose(function, on_switch)


def _on_switch(address: str) -> list[Port]:
    """Return all ports of the switch of a physical function."""
    listed = switch_ports.dump(address)
    if not any(port.address for port in listed):
        # Before Linux 5.14 only sysfs tells the PCI function of a device.
        for port in listed:
            port.address = _parent(port)
    switches = {port.switch for port in listed if port.address == address and port.switch}
    on_switch = [port for port in listed if port.switch in switches] or _by_sysfs(address)
    if not on_switch:
        return []
    # The role from devlink takes precedence over the name of the port.
    known = {
        port.index: port for port in switch_ports.devlink(None) if port.role is not Role.UNKNOWN
    }
    return [
        dataclasses.replace(known[port.index], switch=port.switch, name=port.name)
        if port.index in known
        else port
        for port in on_switch
    ]


def _choose(function: Vf, on_switch: list[Port]) -> str:
    """Return the representor of a virtual function among the ports of a switch."""
    representors = [port for port in on_switch if port.role is Role.VF]
    below = [port for port in representors if port.address == function.pf_address]
    if below:
        # The kernel tells the physical function of each representor.
        own, siblings = below, _Siblings(function.pf_address)
    else:
        own = [port for port in representors if port.address is None]
        siblings = _Siblings.on(function.pf_address, on_switch)
    candidates = [port for port in own if port.vf == function.number]
    numbers = {port.pf for port in own if port.pf is not None}
    if siblings.others or len(numbers) > 1:
        number = siblings.number_in_names(on_switch, numbers)
        candidates = _own_candidates(function, candidates, siblings, number)
    return _sole(function, candidates)


def _own_candidates(
    function: Vf, candidates: list[Port], siblings: _Siblings, number: int | None
) -> list[Port]:
    """Return the candidates of one physical function, where several may be on the switch.

    :param candidates: ports with the number of the virtual function.
    :param number: number of the physical function in the names of representors; None if unknown.
    :raises OSError: with ENOTUNIQ if a candidate may represent a function of a sibling.
    """
    numbered = [port for port in candidates if port.pf is not None]
    plain = [port for port in candidates if port.pf is None]
    # Whether a sibling has a virtual function of the same number.
    rivals = siblings.have_vf(function.number)
    match numbered, number:
        case [], _:
            pass
        case _, int():
            numbered = [port for port in numbered if port.pf == number]
        case _ if rivals or not siblings.others:
            raise _ambiguous(function, numbered)
    if plain and rivals:
        raise _ambiguous(function, plain)
    return numbered + plain


@dataclasses.dataclass(frozen=True)
class _Siblings:
    """A physical function, and the physical functions that may share the switch with it."""

    address: str
    #: Addresses of the functions that may share the switch.
    others: frozenset[str] = frozenset()
    #: The functions among the others without an uplink in this network namespace.
    hidden: frozenset[str] = frozenset()

    @classmethod
    def on(cls, address: str, on_switch: list[Port]) -> Self:
        """Return the siblings of a physical function on a switch with the given ports."""
        plain = (port for port in on_switch if port.role in (Role.UPLINK, Role.UNKNOWN))
        seen = {port.address for port in plain if port.address} - {address}
        hidden = _hidden(address) - seen
        return cls(address, frozenset(seen | hidden), frozenset(hidden))

    def have_vf(self, number: int) -> bool:
        """Return whether one of the others has a virtual function of a number."""
        return any(os.path.lexists(_pci_directory(pf) / f"virtfn{number}") for pf in self.others)

    def number_in_names(self, on_switch: list[Port], seen: set[int]) -> int | None:
        """Return the number of the physical function in the names of representors, or None.

        Drivers number by the function of the PCI address, or by the number of the uplink. The
        result is None if the two numberings disagree and the seen numbers fit both or neither.

        :param seen: the numbers in the names of the representors.
        """
        functions = self.others | {self.address}
        by_function = {pf: int(pf.rpartition(".")[2]) for pf in functions}
        by_uplink = _numbers_of_uplinks(functions, on_switch)
        own = by_function[self.address]
        if self.hidden and by_uplink.get(self.address, own) != own:
            return None
        # A numbering with a gap or a duplicate is not the numbering of the driver.
        valid = [
            numbering
            for numbering in (by_function, by_uplink)
            if numbering.keys() == functions and len(set(numbering.values())) == len(functions)
        ]
        if len(valid) == 1 or len({numbering[self.address] for numbering in valid}) > 1:
            valid = [numbering for numbering in valid if seen <= set(numbering.values())]
        answers = {numbering[self.address] for numbering in valid}
        return answers.pop() if len(answers) == 1 else None


def _numbers_of_uplinks(functions: frozenset[str], on_switch: list[Port]) -> dict[str, int]:
    """Return the number of the uplink of each physical function with uplinks of one number."""
    uplinks: dict[str, set[int]] = {}
    for port in on_switch:
        if port.role is Role.UPLINK and port.address in functions and port.number is not None:
            uplinks.setdefault(port.address, set()).add(port.number)
    return {pf: min(numbers) for pf, numbers in uplinks.items() if len(numbers) == 1}


def _sole(function: Vf, found: list[Port]) -> str:
    """Return the name of the only port.

    :raises OSError: with ENODEV if the list is empty; with ENOTUNIQ if the list has several ports.
    """
    if len(found) > 1:
        raise _ambiguous(function, found)
    if not found:
        raise _no_representor(function)
    return found[0].name


def _no_representor(function: Vf) -> OSError:
    reason = f"{function} has no representor in this network namespace"
    return OSError(errno.ENODEV, reason)


def _hidden(address: str) -> set[str]:
    """Return the physical functions of the same card without a device in this network namespace.

    A hidden function may be on the switch too, and may have representors without a parent.
    """
    slot = address.rpartition(".")[0]
    siblings = {f"{slot}.{number}" for number in range(8)} - {address}
    return {
        sibling
        for sibling in siblings
        if any(name.startswith("virtfn") for name in _list_names(_pci_directory(sibling)))
        and not _devices(sibling)
    }


def _ambiguous(function: Vf, found: list[Port]) -> OSError:
    names = ", ".join(sorted(port.name for port in found))
    reason = f"the representor of {function} is ambiguous: one of {names}, or none"
    return OSError(errno.ENOTUNIQ, reason)


def _below(address: str) -> list[Port]:
    """Return the devices of a PCI function according to both sysfs and rtnetlink."""
    found = switch_ports.links(*_list_names(_pci_directory(address) / "net"))
    return [p for p in found if p.address == address or (p.address is None and _is_here(p))]


def _devices(address: str) -> list[Port]:
    """Return the network devices of a PCI function in this network namespace."""
    # /sys may show another network namespace.
    found = _below(address) or [p for p in switch_ports.dump(address) if p.address == address]
    if len(found) > 1:
        for port in found:
            if port.role is Role.UNKNOWN:
                port.classify(_read_text(_net_directory(port.name) / "phys_port_name"))
        found.sort(key=_order)
    return found


def _order(port: Port) -> tuple[int, int, str]:
    """Return a sort key: uplinks, then further own devices of the function by ``dev_port``."""
    rank = {Role.UPLINK: 0, Role.UNKNOWN: 1}.get(port.role, 2)
    dev_port = _read_text(_net_directory(port.name) / "dev_port") if rank < 2 else None  # noqa: PLR2004
    return rank, int(dev_port or 0), port.name


def _by_sysfs(address: str) -> list[Port]:
    """Return the ports of the switch of a function according to sysfs."""
    own = {
        _read_text(_net_directory(name) / "phys_switch_id")
        for name in _list_names(_pci_directory(address) / "net")
    }
    found = []
    for name in _list_names(SYS / "class/net") if own - {None, ""} else ():
        device = _net_directory(name)
        switch = _read_text(device / "phys_switch_id")
        if not switch or switch not in own:
            continue
        for port in switch_ports.links(name):
            if _is_here(port):
                port.switch, port.address = switch, port.address or _parent(port)
                found.append(port.classify(_read_text(device / "phys_port_name")))
    return found


def _is_here(port: Port) -> bool:
    """Return whether sysfs shows the same device, not a namesake in another network namespace."""
    return _read_text(_net_directory(port.name) / "ifindex") in (None, str(port.index))


def _parent(port: Port) -> str | None:
    """Return the PCI function of a device according to sysfs, or None."""
    try:
        name = (_net_directory(port.name) / "device").readlink().name
    except OSError:
        return None
    return name if is_pci_address(name) and _is_here(port) else None


def _pci_directory(address: str) -> pathlib.Path:
    return SYS / "bus/pci/devices" / address


def _net_directory(device: str) -> pathlib.Path:
    return SYS / "class/net" / device


def _list_names(directory: pathlib.Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except OSError:
        return []


def _read_text(path: pathlib.Path) -> str | None:
    """Return the text of a file; None if the kernel refuses, as for a missing attribute."""
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return None
