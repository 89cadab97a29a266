# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""PCI functions, their network devices, and what stands for a virtual function on the host.

Which function is a virtual one of which other is in sysfs (Documentation/ABI/testing/sysfs-bus-pci
of the kernel). What a network device is comes from :mod:`os_vif.host.sriov.switch_ports`: only those of this
network namespace count, and /sys may be that of another. doc/source/reference/finding_devices.rst
has the whole.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import time

from os_vif.host.limits import is_pci_address
from os_vif.host.sriov import switch_ports
from os_vif.host.sriov.switch_ports import Port, Role

#: Where sysfs is. Tests have their own.
SYS = pathlib.Path("/sys")

#: For so many seconds at most a representor is not looked for while it is waited for.
_PAUSE = 1.0


@dataclasses.dataclass(frozen=True)
class Vf:
    """A virtual function: a PCI device, and a number on its physical function."""

    address: str
    number: int
    pf_address: str

    def __str__(self) -> str:
        return f"VF {self.number} of {self.pf_address}"


def vf(address: str) -> Vf:
    """What a PCI address, such as 0000:03:00.2, is a virtual function of.

    :raises OSError: with ENODEV if there is no such PCI device, or it is no virtual function.
    """
    device = _pci(address)
    try:
        pf_address = (device / "physfn").readlink().name
    except OSError as error:
        if not device.exists():
            reason = f"there is no PCI device {address}"
        elif has_vfs(address):
            reason = f"{address} is a physical function, and none of its virtual functions"
        else:
            reason = f"{address} is a PCI device, and no virtual function"
        raise OSError(errno.ENODEV, reason) from error
    number, physical = 0, _pci(pf_address).resolve()
    try:
        # A card may have hundreds of them; pathlib takes four times as long.
        while not os.readlink(f"{physical}/virtfn{number}").endswith(f"/{address}"):  # noqa: PTH115
            number += 1
    except OSError as error:
        reason = f"{address} is none of the virtual functions of {pf_address}"
        raise OSError(errno.ENODEV, reason) from error
    return Vf(address, number, pf_address)


def representor(function: Vf, wait: float = 0.0) -> str:
    """The name of the network device that stands for a virtual function on the host.

    :param wait: for how many seconds to wait for it, if it is not there yet.
    :raises OSError: with ENODEV if there is none; with EOPNOTSUPP if its card is not in switchdev
        mode; with ENOTUNIQ if which it is cannot be told.
    """
    deadline = time.monotonic() + wait
    try:
        return _representor(function)
    except OSError as error:
        if error.errno != errno.ENODEV or wait <= 0:
            raise
    with switch_ports.changes() as changed:
        while True:
            try:
                return _representor(function)
            except OSError as error:
                left = deadline - time.monotonic()
                if error.errno != errno.ENODEV or left <= 0:
                    raise
            changed(min(left, _PAUSE))


def devices(address: str) -> list[str]:
    """The network devices of the PCI function at an address; the uplink of a switch comes first.

    Representors of its virtual functions may be among them: since Linux 5.8 (LP 1892132).
    """
    return [port.name for port in _devices(address)]


def pf_device(function: Vf) -> str:
    """The network device of the physical function, through which its virtual ones are set.

    :raises OSError: with ENODEV if it has none in this network namespace.
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
    """The network device of a virtual function; None if it has none in this network namespace."""
    return next(iter(devices(function.address)), None)


def switch_of(device: str) -> str | None:
    """The id of the switch that a network device is a port of; None if it is of none."""
    for port in switch_ports.links(device):
        if port.switch is None and _is_here(port):
            return _read(_net(device) / "phys_switch_id") or None
        return port.switch
    return None


def address_of(device: str) -> str | None:
    """The PCI address of the function that a network device is of; None if it is of none."""
    for port in switch_ports.links(device):
        return port.address or _parent(port)
    return None


def is_vf(address: str) -> bool:
    """Return whether a PCI function is a virtual one."""
    return os.path.lexists(_pci(address) / "physfn")


def is_vf_device(device: str) -> bool:
    """Return whether a network device is that of a virtual function."""
    address = address_of(device)
    return address is not None and switch_of(device) is None and is_vf(address)


def is_representor(device: str) -> bool:
    """Return whether a network device stands for a virtual function on the host."""
    if switch_of(device) is None:
        return False
    for port in switch_ports.links(device):
        if port.role is Role.UNKNOWN and _is_here(port):
            port.named(_read(_net(device) / "phys_port_name"))
        return port.role is Role.VF
    return False


def has_vfs(address: str) -> bool:
    """Whether the PCI function at an address can have virtual functions."""
    total = _read(_pci(address) / "sriov_totalvfs")
    return bool(total) and total != "0"


def _representor(function: Vf) -> str:
    known = switch_ports.devlink(function.pf_address)
    own = known or _below(function.pf_address)
    functions = [p for p in own if p.role is Role.VF and p.address == function.pf_address]
    # Below one physical function, which the kernel knows by one number, whatever that is.
    if len({port.pf for port in functions}) == 1:
        match [port.name for port in functions if port.vf == function.number and port.name]:
            case [name]:
                return name
            case [] if known:
                # devlink lists all representors of the function, and says which number it has.
                # A device that is none of them would be another function's.
                raise _without_representor(function)
    on_switch = _on_switch(function.pf_address)
    if not on_switch:
        # Nothing to wait for.
        raise OSError(errno.EOPNOTSUPP, f"{function.pf_address} is not in switchdev mode")
    return _choose(function, on_switch)


def _on_switch(address: str) -> list[Port]:
    """Return all ports of the switch of a physical function."""
    listed = switch_ports.dump(address)
    if not any(port.address for port in listed):
        # Before Linux 5.14 only sysfs says of what a device is.
        for port in listed:
            port.address = _parent(port)
    switches = {port.switch for port in listed if port.address == address and port.switch}
    on_switch = [port for port in listed if port.switch in switches] or _by_sysfs(address)
    if not on_switch:
        return []
    # What devlink says of a port counts more than its name, whichever function has the port.
    said = {
        port.index: port for port in switch_ports.devlink(None) if port.role is not Role.UNKNOWN
    }
    return [
        dataclasses.replace(said[port.index], switch=port.switch, name=port.name)
        if port.index in said
        else port
        for port in on_switch
    ]


def _choose(function: Vf, on_switch: list[Port]) -> str:
    """Return which of the ports of a switch stands for a virtual function."""
    functions = [port for port in on_switch if port.role is Role.VF]
    # Where representors are below their physical function, no other is in question.
    own = [port for port in functions if port.address == function.pf_address]
    physical, hidden = {function.pf_address}, set()
    if not own:
        own = [port for port in functions if port.address is None]
        rest = (port for port in on_switch if port.role in (Role.UPLINK, Role.UNKNOWN))
        physical |= {port.address for port in rest if port.address}
        hidden = _hidden(function.pf_address) - physical
        physical |= hidden
    candidates = [port for port in own if port.vf == function.number]
    numbers = {port.pf for port in own if port.pf is not None}
    if len(physical) == 1 and len(numbers) <= 1:
        return _sole(function, candidates)
    numbered = [port for port in candidates if port.pf is not None]
    plain = [port for port in candidates if port.pf is None]
    others = physical - {function.pf_address}
    rivals = any(os.path.lexists(_pci(pf) / f"virtfn{function.number}") for pf in others)
    number = _pf_number(function.pf_address, physical, hidden, on_switch, numbers)
    if number is not None:
        numbered = [port for port in numbered if port.pf == number]
    elif numbered and (rivals or not others):
        raise _undecided(function, numbered)
    if plain and rivals:
        raise _undecided(function, plain)
    return _sole(function, numbered + plain)


def _sole(function: Vf, found: list[Port]) -> str:
    if len(found) > 1:
        raise _undecided(function, found)
    if not found:
        raise _without_representor(function)
    return found[0].name


def _without_representor(function: Vf) -> OSError:
    reason = f"{function} has no representor in this network namespace"
    return OSError(errno.ENODEV, reason)


def _hidden(address: str) -> set[str]:
    """Return the physical functions of the same card without a device in this network namespace.

    Such a function may be on the switch too, and representors without a parent may be its own.
    """
    slot = address.rpartition(".")[0]
    siblings = {f"{slot}.{number}" for number in range(8)} - {address}
    return {
        sibling
        for sibling in siblings
        if any(name.startswith("virtfn") for name in _listed(_pci(sibling)))
        and not _devices(sibling)
    }


def _undecided(function: Vf, found: list[Port]) -> OSError:
    names = ", ".join(sorted(port.name for port in found))
    reason = f"which network device stands for {function} cannot be told: of {names}, maybe none"
    return OSError(errno.ENOTUNIQ, reason)


def _pf_number(
    address: str, physical: set[str], hidden: set[str], on_switch: list[Port], numbers: set[int]
) -> int | None:
    """Return by which number representors name a physical function; None if that cannot be told.

    :param physical: the addresses of all physical functions of the switch.
    :param hidden: those of them whose uplinks are not seen.
    :param numbers: those that representors name.
    """
    by_function = {pf: int(pf.rpartition(".")[2]) for pf in physical}
    uplinks: dict[str | None, set[int]] = {pf: set() for pf in physical}
    for port in on_switch:
        if port.role is Role.UPLINK and port.address in physical and port.number is not None:
            uplinks[port.address].add(port.number)
    by_uplink = {pf: min(found) for pf, found in uplinks.items() if len(found) == 1}
    if hidden and by_uplink.get(address, by_function[address]) != by_function[address]:
        return None
    # A way to number them that gives two the same number is not theirs.
    ways = [
        way
        for way in (by_function, by_uplink)
        if way.keys() == physical and len(set(way.values())) == len(physical)
    ]
    if ways != [by_function, by_uplink] or by_function[address] != by_uplink[address]:
        ways = [way for way in ways if numbers <= set(way.values())]
    answers = {way[address] for way in ways}
    return answers.pop() if len(answers) == 1 else None


def _below(address: str) -> list[Port]:
    """What sysfs and rtnetlink both have as a device of a PCI function."""
    there = switch_ports.links(*_listed(_pci(address) / "net"))
    return [p for p in there if p.address == address or (p.address is None and _is_here(p))]


def _devices(address: str) -> list[Port]:
    """The network devices of a PCI function in this network namespace."""
    # /sys may be that of another network namespace.
    found = _below(address) or [p for p in switch_ports.dump(address) if p.address == address]
    if len(found) > 1:
        for port in found:
            if port.role is Role.UNKNOWN:
                port.named(_read(_net(port.name) / "phys_port_name"))
        found.sort(key=_order)
    return found


def _order(port: Port) -> tuple[int, int, str]:
    """Uplinks come first, and then the function's other own devices, by ``dev_port``."""
    rank = {Role.UPLINK: 0, Role.UNKNOWN: 1}.get(port.role, 2)
    dev_port = _read(_net(port.name) / "dev_port") if rank < 2 else None  # noqa: PLR2004
    return rank, int(dev_port or 0), port.name


def _by_sysfs(address: str) -> list[Port]:
    """The ports of a function's switch, where rtnetlink does not say it."""
    own = {_read(_net(name) / "phys_switch_id") for name in _listed(_pci(address) / "net")}
    found = []
    for name in _listed(SYS / "class/net") if own - {None, ""} else ():
        device = _net(name)
        switch = _read(device / "phys_switch_id")
        if not switch or switch not in own:
            continue
        for port in switch_ports.links(name):
            if _is_here(port):
                port.switch, port.address = switch, port.address or _parent(port)
                found.append(port.named(_read(device / "phys_port_name")))
    return found


def _is_here(port: Port) -> bool:
    """Whether the device of that name in sysfs is the same, and no namesake elsewhere."""
    return _read(_net(port.name) / "ifindex") in (None, str(port.index))


def _parent(port: Port) -> str | None:
    """The PCI function that a device is of, by sysfs."""
    try:
        name = (_net(port.name) / "device").readlink().name
    except OSError:
        return None
    return name if is_pci_address(name) and _is_here(port) else None


def _pci(address: str) -> pathlib.Path:
    return SYS / "bus/pci/devices" / address


def _net(device: str) -> pathlib.Path:
    return SYS / "class/net" / device


def _listed(directory: pathlib.Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except OSError:
        return []


def _read(path: pathlib.Path) -> str | None:
    """What the kernel says; it refuses to for a device that has no such thing."""
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return None
