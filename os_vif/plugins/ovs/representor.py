# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug a ``VIFHostDevice``: the guest has a virtual function, and the representor is the port.

``external_ids:iface-id`` of a port is the id of the VIF that uses a representor. The device keeps
the first name as an alternative name (:mod:`os_vif.steps.link.rename_link`).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from os_vif import exception, objects, vif_fields
from os_vif.device_names import DPDK_REPRESENTOR
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb import lookups
from os_vif.host.ovsdb.notation import mapping, values
from os_vif.host.sriov import functions
from os_vif.host.state import vf_allocations
from os_vif.plugins.ovs import common_steps, context
from os_vif.plugins.ovs.context import VifContext
from os_vif.steps import (
    DeleteOvsPort,
    EnsureOvsPort,
    Plan,
    ReleaseVf,
    RenameLink,
    SetLink,
    SetSysctl,
    SetVf,
    Step,
)
from os_vif.steps.link import rename_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.ovsdb.notation import Row
    from os_vif.steps.kernel_step import KernelStep

LOG = logging.getLogger(__name__)

#: Seconds that a driver in switchdev mode has to create a representor.
REPRESENTOR_TIMEOUT = 5.0

SOURCES: Mapping[str, str] = {**context.SOURCES, "options": "vif.dev_address"}


def plan(vif: VifContext) -> Plan:
    """Return the steps that plug a VIF."""
    datapath = vif.datapath()
    ensured = common_steps.ensure_bridge(vif, datapath)
    new_port = functools.partial(
        EnsureOvsPort,
        vif.bridge,
        external_ids=vif.ids,
        isolated=vif.isolated,
        qos=vif.qos(datapath),
        must_open=True,
    )
    if datapath == context.SYSTEM:
        return vif.plan(*_plan_kernel_datapath(vif, ensured, new_port))
    return vif.plan(*_plan_netdev_datapath(vif, ensured, new_port))


def unplan(vif: VifContext) -> Plan:
    """Return the steps that unplug a VIF, also if the virtual function was deleted.

    The ports are found in the database of Open vSwitch. A representor is set down and gets back
    the first name, and the settings of the virtual function are restored.
    """
    in_kernel = vif.datapath() == context.SYSTEM
    representors = _plugged_ports(vif, in_kernel=in_kernel)
    dpdk = () if in_kernel else (vif.device_name(DPDK_REPRESENTOR),)
    ports = (*dpdk, *(name for name in representors if name not in dpdk))
    # A running ovs-vswitchd could otherwise set up the devices that the next steps set down.
    deleted = common_steps.delete_ports(vif, *ports, wait=True)
    owner = vif.interface_id
    with rtnetlink.opened() as net:
        restored = [step for name in representors for step in _restore_representor(net, name)]
    released = (ReleaseVf(address, owner) for address in vf_allocations.vfs_of(owner))
    return vif.plan(*deleted, *restored, *released)


def _plan_kernel_datapath(
    vif: VifContext, ensured: Step, new_port: Callable[..., EnsureOvsPort]
) -> tuple[Step, ...]:
    """Return the steps for a representor that is a network device of the kernel.

    :param ensured: the step for the bridge.
    :param new_port: creates the step for the port, given the name.
    :raises os_vif.exception.InvalidField: if the representor is missing, or the requested name
        belongs to another device.
    """
    function = _read_function(vif.vif)
    name = _wait_for_representor(function)
    field, requested = _requested_name(vif.profile)
    ports = _read_ports(vif, vif.interface_id, name, requested or name)
    owner = _interface_id_of(ports, name)
    # A port with traffic keeps the name: an earlier plug, or os-vif 5.3.0, created the port.
    is_kept = requested is None or owner in ("", vif.interface_id)
    new_name = name if is_kept or requested is None else requested
    with rtnetlink.opened() as net:
        # After a reboot, the row of the VIF is present before the device.
        is_absent = net.link(new_name) is None
        others = _representors_of(net, ports, vif.interface_id)
        released = [
            port for port in others if port != name and not (port == new_name and is_absent)
        ]
        if owner not in (None, "", vif.interface_id):
            # The former owner lost the virtual function without an unplug.
            released.append(name)
        is_free = is_absent and _interface_id_of(ports, new_name) in (None, vif.interface_id)
        if new_name not in (name, *released) and not is_free:
            raise vif_fields.invalid(field, new_name, "a name that nothing else has")
        return (
            *_release_ports(net, released, keep=name),
            *_set_address(vif, function, owner),
            *((RenameLink(name, new_name),) if new_name != name else ()),
            # The host must not get an IPv6 address on the representor.
            SetSysctl(new_name, "disable_ipv6", 1),
            SetLink(new_name, mtu=vif.mtu, up=True),
            ensured,
            new_port(new_name),
        )


def _plan_netdev_datapath(
    vif: VifContext, ensured: Step, new_port: Callable[..., EnsureOvsPort]
) -> tuple[Step, ...]:
    """Return the steps for a representor that DPDK opens by the physical function's address.

    Source: Documentation/topics/dpdk/phy.rst of Open vSwitch.

    :param ensured: the step for the bridge.
    :param new_port: creates the step for the port, given the name.
    """
    function = _read_function(vif.vif)
    name = vif.device_name(DPDK_REPRESENTOR)
    devargs = ("dpdk-devargs", f"{function.pf_address},representor=[{function.number}]")
    options = [devargs, ("dpdk-vf-mac", vif_fields.mac(vif.vif))]
    mtu: int | None = vif.mtu
    ports = _read_ports(vif, vif.interface_id, name)
    if (row := ports.get(name)) is not None:
        present = mapping(row["options"])
        if devargs in present.items() and "dpdk-vf-mac" not in present:
            # os-vif 5.3.0 plugged the port: ovs-vswitchd would reopen a port with traffic after a
            # change of the options, or after a first MTU request.
            options = [devargs]
            mtu = mtu if values(row["mtu_request"]) else None
    with rtnetlink.opened() as net:
        others = _representors_of(net, ports, vif.interface_id)
        released = _release_ports(net, [port for port in others if port != name])
    port = new_port(name, "dpdk", options=tuple(options), mtu_request=mtu)
    return (*released, *_set_address(vif, function), ensured, port)


def _set_address(
    vif: VifContext, function: functions.Vf, released: str | None = None
) -> Iterator[KernelStep]:
    """Yield the steps that give the VIF's MAC address to the virtual function.

    The representor keeps the MAC address of the driver: Open vSwitch would choose the guest's MAC
    address of a port as the address of the bridge.

    :param released: ``iface-id`` of the port that the plan deletes, or None.
    """
    user = vif.interface_id
    # An earlier plug of the VIF may have allocated another virtual function.
    earlier = [held for held in vf_allocations.vfs_of(user) if held != function.address]
    yield from (ReleaseVf(held, user) for held in earlier)
    holder = vf_allocations.owner_of(function.address)
    if (
        holder is not None
        and holder != user
        and (
            # os-vif 5.3.0 unplugs without deleting the allocation.
            holder == released or not _read_ports(vif, holder)
        )
    ):
        yield ReleaseVf(function.address, holder)
    try:
        pf = functions.pf_device(function)
    except OSError as error:
        # Another driver, such as that of DPDK, has the function; the row has the MAC address.
        LOG.info("The MAC address of %s is not set here: %s", function, error.strerror)
        return
    mac = vif_fields.mac(vif.vif)
    yield SetVf(pf, function.number, function.address, user=user, mac=mac)


def _plugged_ports(vif: VifContext, *, in_kernel: bool) -> tuple[str, ...]:
    """Return the representors that are ports of a VIF, also if the function was deleted.

    :raises os_vif.exception.OvsdbError: if the database is needed and cannot be read.
    """
    name = None
    if in_kernel:
        try:
            name = functions.representor(functions.vf(vif_fields.pci_address(vif.vif)))
        except OSError as error:
            LOG.info("Only Open vSwitch knows the port: %s", error.strerror)
    user = vif.interface_id
    read = lookups.ports_of(vif.target, user) if name is None else _read_ports(vif, user, name)
    with rtnetlink.opened() as net:
        found = _representors_of(net, read, user)
    if name is not None and name not in found and _interface_id_of(read, name) in ("", None):
        # A plug or an unplug of the VIF was interrupted.
        found.append(name)
    return tuple(found)


def _restore_representor(net: Netlink, name: str) -> Iterator[KernelStep]:
    """Yield the steps to set a representor down and to give back the first name."""
    yield SetLink(name, up=False, missing_ok=True)
    first = rename_link.original_name(net, name)
    if first is None:
        return
    if net.resolve(first) is not None:
        LOG.warning("%s keeps that name: another device is called %s by now", name, first)
        return
    yield RenameLink(name, first, restore_name=True, missing_ok=True)


def _release_ports(net: Netlink, ports: Iterable[str], keep: str = "") -> tuple[Step, ...]:
    """Return the steps to delete ports and to restore the representors.

    :param keep: a representor in use by the plan, which is not restored.
    """
    ports = tuple(ports)
    devices = [step for name in ports if name != keep for step in _restore_representor(net, name)]
    return (*(DeleteOvsPort(name, wait=True) for name in ports), *devices)


def _read_function(vif: objects.VIFHostDevice) -> functions.Vf:
    """Return the virtual function that a VIF names.

    :raises os_vif.exception.InvalidField: if the VIF names no virtual function of this host.
    """
    try:
        return functions.vf(vif_fields.pci_address(vif))
    except OSError as error:
        raise _no_representor(vif.dev_address, error) from error


def _wait_for_representor(function: functions.Vf) -> str:
    """Return the name of the representor of a virtual function.

    :raises os_vif.exception.InvalidField: if the driver creates none in time.
    """
    try:
        return functions.representor(function, REPRESENTOR_TIMEOUT)
    except OSError as error:
        raise _no_representor(function.address, error) from error


def _no_representor(address: str, error: OSError) -> exception.InvalidField:
    """Return the error of a VIF without a representor."""
    expected = "a virtual function with a representor"
    return vif_fields.invalid("vif.dev_address", f"{address}: {error.strerror}", expected)


def _requested_name(profile: objects.VIFPortProfileOpenVSwitch) -> tuple[str, str | None]:
    """Return the field with the requested name of the representor, and the name or None."""
    offload, field = vif_fields.get(profile, "datapath_offload"), "representor_name"
    if isinstance(offload, objects.DatapathOffloadRepresentor):
        name = vif_fields.get(offload, field)
        field = f"datapath_offload.{field}"
    else:
        is_old = isinstance(profile, objects.VIFPortProfileOVSRepresentor)
        name = vif_fields.get(profile, field) if is_old else None
    field = f"vif.port_profile.{field}"
    return field, vif_fields.device_name(field, name) if name else None


def _read_ports(vif: VifContext, interface_id: str, *names: str) -> dict[str, Row]:
    """Return the Interface rows with an ``iface-id`` or a name; none if no server answers."""
    try:
        return lookups.ports_of(vif.target, interface_id, *names)
    except exception.OvsdbUnreachable:
        # A dry run needs no switch; a plug reports the error at its first step.
        return {}


def _interface_id_of(ports: Mapping[str, Row], name: str) -> str | None:
    """Return the ``iface-id`` of a port: empty if unset, None if the port is missing."""
    row = ports.get(name)
    return None if row is None else str(mapping(row["external_ids"]).get("iface-id", ""))


def _representors_of(net: Netlink, ports: Mapping[str, Row], interface_id: str) -> list[str]:
    """Return the representors that are ports of a VIF, present or deleted."""

    def is_representor(name: str, kind: str) -> bool:
        is_deleted = net.link(name) is None
        return kind == "dpdk" or (
            kind in ("", "system") and (is_deleted or bool(functions.switch_of(name)))
        )

    return [
        name
        for name, row in sorted(ports.items())
        if _interface_id_of(ports, name) == interface_id and is_representor(name, row["type"])
    ]
