# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Open vSwitch and virtual functions: the guest has one, and what stands for it is the port.

Whose port a representor is, the switch tells by ``external_ids:iface-id``; what it was called
before, the device itself (:mod:`os_vif.steps.link.rename_link`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from os_vif import exception, objects
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb.connection import mapping, values
from os_vif.host.sriov import functions
from os_vif.host.state import vf_allocations
from os_vif.plugins import vif_fields
from os_vif.steps import ReleaseVf, RenameLink, SetLink, SetSysctl, SetVf
from os_vif.steps.link import rename_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.ovsdb.connection import Row
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.ovs.ports import EnsureOvsBridge, EnsureOvsPort
    from os_vif.steps.plan import OvsdbTarget, Step

LOG = logging.getLogger(__name__)

#: Seconds for the driver of a card in switchdev mode to make the representor.
PATIENCE = 5.0


class Wanted(NamedTuple):
    """What a port is to have, whatever stands for its virtual function."""

    vif: objects.VIFHostDevice
    profile: objects.VIFPortProfileOpenVSwitch
    switch: OvsdbTarget
    #: Bytes.
    mtu: int
    bridge: EnsureOvsBridge
    #: Makes the port, given its name.
    port: Callable[..., EnsureOvsPort]

    @property
    def interface_id(self) -> str:
        return str(vif_fields.get(self.profile, "interface_id") or "")


def kernel(wanted: Wanted) -> tuple[Step, ...]:
    """The representor is a device of the kernel.

    :raises os_vif.exception.InvalidField: if there is none, or it cannot have its name.
    """
    function = _function(wanted.vif)
    name = _representor(function)
    field, asked = _name(wanted.profile)
    ours = wanted.interface_id
    ports = _ports(wanted.switch, ours, name, asked or name)
    holder = _iface_id(ports, name)
    # A port that carries packets keeps its name: 5.3.0 plugged it, or an earlier plan.
    to = name if asked is None or holder in ("", ours) else asked
    with rtnetlink.opened() as net:
        # A row whose device is yet to come back, after a reboot, is this one's.
        waits = net.link(to) is None
        others = _ports_of(net, ports, ours)
        released = [port for port in others if port != name and not (port == to and waits)]
        if holder not in (None, "", ours):
            # Whoever that was has lost the function, and not said so.
            released.append(name)
        if to not in (name, *released) and not (waits and _iface_id(ports, to) in (None, ours)):
            raise vif_fields.invalid(field, to, "a name that nothing else has")
        return (
            *_release(net, released, but=name),
            *_address(function, wanted, holder),
            *((RenameLink(name, to),) if to != name else ()),
            # The host is not to have an address there.
            SetSysctl(to, "disable_ipv6", 1),
            SetLink(to, mtu=wanted.mtu, up=True),
            wanted.bridge,
            wanted.port(to),
        )


def user_space(wanted: Wanted, name: str) -> tuple[Step, ...]:
    """The switch opens the representor, by the address of the physical function.

    Source: Documentation/topics/dpdk/phy.rst of Open vSwitch.
    """
    function = _function(wanted.vif)
    devargs = ("dpdk-devargs", f"{function.pf_address},representor=[{function.number}]")
    options, mtu = [devargs, ("dpdk-vf-mac", vif_fields.mac(wanted.vif))], [wanted.mtu]
    ports = _ports(wanted.switch, wanted.interface_id, name)
    if (there := ports.get(name)) is not None:
        has = mapping(there["options"])
        if devargs in has.items() and "dpdk-vf-mac" not in has:
            # 5.3.0 plugged it, and it carries packets: vswitchd would open it anew.
            options, mtu = [devargs], values(there["mtu_request"]) and mtu
    with rtnetlink.opened() as net:
        others = _ports_of(net, ports, wanted.interface_id)
        released = _release(net, [port for port in others if port != name])
    request = mtu[0] if mtu else None
    port = wanted.port(name, "dpdk", options=tuple(options), mtu_request=request)
    return (*released, *_address(function, wanted), wanted.bridge, port)


def _address(
    function: functions.Vf, wanted: Wanted, released: str | None = None
) -> Iterator[KernelStep]:
    """The function has the VIF's MAC address; the representor keeps its own.

    The switch would take the bridge's address from a port that had a guest's.

    :param released: who had a port for it until now.
    """
    ours = wanted.interface_id
    # One that the port had before.
    before = [held for held in vf_allocations.vfs_of(ours) if held != function.address]
    yield from (ReleaseVf(held, ours) for held in before)
    holder = vf_allocations.owner_of(function.address)
    if (
        holder is not None
        and holder != ours
        and (
            # Without a port it was unplugged, by 5.3.0, which notes nothing.
            holder == released or not _ports(wanted.switch, holder)
        )
    ):
        yield ReleaseVf(function.address, holder)
    try:
        pf = functions.pf_device(function)
    except OSError as error:
        # Another driver has it, as that of DPDK, which is told by the row.
        LOG.info("The MAC address of %s is not set here: %s", function, error.strerror)
        return
    mac = vif_fields.mac(wanted.vif)
    yield SetVf(pf, function.number, function.address, user=ours, mac=mac)


def plugged(
    vif: objects.VIFHostDevice,
    profile: objects.VIFPortProfileOpenVSwitch,
    switch: OvsdbTarget,
    *,
    in_kernel: bool,
) -> tuple[str, ...]:
    """The ports of a VIF, by name; also where the virtual function has gone.

    :raises os_vif.exception.OvsdbError: if only the switch can tell, and cannot be read.
    """
    name = None
    if in_kernel:
        try:
            name = functions.representor(functions.vf(vif_fields.pci_address(vif)))
        except OSError as error:
            LOG.info("Only the switch knows its port: %s", error.strerror)
    interface_id = str(vif_fields.get(profile, "interface_id") or "")
    ports = _read(switch, interface_id) if name is None else _ports(switch, interface_id, name)
    with rtnetlink.opened() as net:
        found = _ports_of(net, ports, interface_id)
    if name is not None and name not in found and _iface_id(ports, name) in ("", None):
        # A plug, or an unplug, that has not come to its end.
        found.append(name)
    return tuple(found)


def back(
    names: Iterable[str], profile: objects.VIFPortProfileOpenVSwitch
) -> tuple[KernelStep, ...]:
    """Representors are down, and have the names that their driver gave them.

    What was noted of the virtual function is put back.
    """
    ours = str(vif_fields.get(profile, "interface_id") or "")
    with rtnetlink.opened() as net:
        devices = [step for name in names for step in _back(net, name)]
    return (*devices, *(ReleaseVf(held, ours) for held in vf_allocations.vfs_of(ours)))


def _back(net: Netlink, name: str) -> Iterator[KernelStep]:
    yield SetLink(name, up=False, missing_ok=True)
    first = rename_link.first_name(net, name)
    if first is None:
        return
    if net.resolve(first) is not None:
        LOG.warning("%s keeps that name: another device is called %s by now", name, first)
        return
    yield RenameLink(name, first, restore_name=True, missing_ok=True)


def _release(net: Netlink, names: Iterable[str], but: str = "") -> tuple[Step, ...]:
    """Ports that a VIF no longer has; their devices are as before, but one, which stays in use."""
    from os_vif.steps.ovs.ports import ReleaseOvsPort

    names = tuple(names)
    devices = [step for name in names if name != but for step in _back(net, name)]
    return (*(ReleaseOvsPort(name) for name in names), *devices)


def _function(vif: objects.VIFHostDevice) -> functions.Vf:
    try:
        return functions.vf(vif_fields.pci_address(vif))
    except OSError as error:
        raise _no_function(vif, error) from error


def _representor(function: functions.Vf) -> str:
    try:
        return functions.representor(function, PATIENCE)
    except OSError as error:
        raise _no_function(function, error) from error


def _no_function(
    of: objects.VIFHostDevice | functions.Vf, error: OSError
) -> exception.InvalidField:
    address = of.address if isinstance(of, functions.Vf) else of.dev_address
    expected = "a virtual function with a representor"
    return vif_fields.invalid("vif.dev_address", f"{address}: {error.strerror}", expected)


def _name(profile: objects.VIFPortProfileOpenVSwitch) -> tuple[str, str | None]:
    """The field that says how the representor is to be called, and what it says."""
    offload, field = vif_fields.get(profile, "datapath_offload"), "representor_name"
    if isinstance(offload, objects.DatapathOffloadRepresentor):
        name = vif_fields.get(offload, field)
        field = f"datapath_offload.{field}"
    else:
        is_old = isinstance(profile, objects.VIFPortProfileOVSRepresentor)
        name = vif_fields.get(profile, field) if is_old else None
    field = f"vif.port_profile.{field}"
    return field, vif_fields.device_name(field, name) if name else None


def _ports(switch: OvsdbTarget, interface_id: str, *names: str) -> dict[str, Row]:
    try:
        return _read(switch, interface_id, *names)
    except exception.OvsdbUnreachable:
        # A dry run needs no switch, and a plug tells it.
        return {}


def _read(switch: OvsdbTarget, interface_id: str, *names: str) -> dict[str, Row]:
    from os_vif.engine import ovs

    return ovs.ports_of(switch, interface_id, *names)


def _iface_id(ports: Mapping[str, Row], name: str) -> str | None:
    """Whose a port is: empty if nobody says so, None if there is no such port."""
    row = ports.get(name)
    return None if row is None else str(mapping(row["external_ids"]).get("iface-id", ""))


def _ports_of(net: Netlink, ports: Mapping[str, Row], interface_id: str) -> list[str]:
    """Representors that are ports of a VIF, or were until their function went."""

    def stands(name: str, kind: str) -> bool:
        gone = net.link(name) is None
        return kind == "dpdk" or (
            kind in ("", "system") and (gone or bool(functions.switch_of(name)))
        )

    return [
        name
        for name, row in sorted(ports.items())
        if _iface_id(ports, name) == interface_id and stands(name, row["type"])
    ]
