# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Functions of the public os-vif on network interfaces.

Each function that changes the host runs a plan in the privileged daemon of the ``ovs`` plugin, and
raises :class:`os_vif.exception.StepFailed` after a failure: the plan is rolled back, or the text
lists the steps that could not be undone.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from os_vif import device_names, engine, exception
from os_vif.host.netlink import rtnetlink
from os_vif.host.sriov import functions
from os_vif.steps import (
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureTap,
    EnsureVeth,
    SetLink,
    SetSysctl,
)
from os_vif.steps.plan import Plan
from vif_plug_ovs._exception import PciDeviceNotFoundById, RepresentorNotFound

if TYPE_CHECKING:
    from os_vif.steps.kernel_step import KernelStep

warnings.warn(
    "vif_plug_ovs.linux_net is deprecated: let a plugin plan with the steps of os_vif.steps",
    DeprecationWarning,
    stacklevel=2,
)


def ensure_bridge(bridge: str) -> None:
    """Create the Linux bridge of a VIF, harden the bridge, and set the bridge up."""
    _run(
        EnsureBridge(bridge, ageing=0),
        *SetSysctl.hardening(bridge, only_managed=False),
        SetLink(bridge, up=True),
    )


def delete_bridge(bridge: str, dev: str) -> None:
    """Delete a Linux bridge that os-vif has created, or with a name that begins with qbr.

    Devices in the bridge are detached, not deleted.

    :param dev: a device in the bridge, which is set down.
    :raises os_vif.exception.StepFailed: if the bridge is not deleted.
    """
    with rtnetlink.opened() as net:
        link = net.link(bridge)
        is_deletable = link is not None and (
            link.is_managed or bridge.startswith(device_names.HYBRID_BRIDGE)
        )
        ports = net.ports(link) if link is not None and is_deletable else []
    _run(
        *(SetLink(port.name, master="", missing_ok=True) for port in ports),
        SetLink(dev, up=False, missing_ok=True),
        DeleteBridge(bridge, include_unmanaged=True),
    )
    _require_deleted(bridge)


def add_bridge_port(bridge: str, dev: str) -> None:
    """Attach a device to a bridge. A device in another bridge is not moved."""
    _run(SetLink(dev, master=bridge))


def create_veth_pair(dev1_name: str, dev2_name: str, mtu: int | None) -> None:
    """Create a veth pair, up and promiscuous. Existing devices of the names are replaced.

    :param mtu: MTU of the pair in bytes; None or 0 keeps the default of the kernel.
    """
    _run(
        DeleteLink(dev1_name, include_unmanaged=True),
        DeleteLink(dev2_name, include_unmanaged=True),
        EnsureVeth(dev1_name, dev2_name),
        SetLink(dev1_name, mtu=mtu or None, promiscuous=True, up=True),
        SetLink(dev2_name, mtu=mtu or None, promiscuous=True, up=True),
    )


def update_veth_pair(dev1_name: str, dev2_name: str, mtu: int | None) -> None:
    """Set the MTU of a veth pair. A missing device is ignored.

    :param mtu: MTU in bytes; None or 0 leaves the MTU unchanged.
    """
    pair = (dev1_name, dev2_name)
    _run(*(SetLink(name, mtu=mtu or None, missing_ok=True) for name in pair))


def create_tap(dev: str, mtu: int | None, mac: str, multiqueue: bool = False) -> None:
    """Create a persistent tap device without IPv6, and set the device up.

    :param mtu: MTU in bytes; None or 0 keeps the default of the kernel.
    :param mac: MAC address of the guest.
    :param multiqueue: create a device with several queues.
    """
    _run(
        EnsureTap(dev, multiqueue, address=mac.lower()),
        SetSysctl(dev, "disable_ipv6", 1, only_managed=True),
        SetLink(dev, mtu=mtu or None, up=True),
    )


def delete_net_dev(dev: str) -> None:
    """Delete a tap device, a veth device, or another device that os-vif has created.

    :raises os_vif.exception.StepFailed: if the device is not deleted.
    """
    _run(DeleteLink(dev, include_unmanaged=True))
    _require_deleted(dev)


def set_device_mtu(dev: str, mtu: int | None) -> None:
    """Set the MTU of a device. A missing device is ignored.

    :param mtu: MTU in bytes; None or 0 leaves the MTU unchanged.
    """
    _run(SetLink(dev, mtu=mtu or None, missing_ok=True))


def set_interface_state(interface_name: str, port_state: str) -> None:
    """Set a device ``up`` or ``down``."""
    _run(SetLink(interface_name, up=port_state == "up"))


def get_dpdk_representor_port_name(port_id: str) -> str:
    """Return the name of the port for a representor that DPDK opens."""
    return f"{device_names.DPDK_REPRESENTOR}{port_id}"[: device_names.MAX_LENGTH]


def get_function_by_ifname(ifname: str) -> tuple[str | None, bool]:
    """Return the PCI address of a network interface, or None.

    :returns: the address, and true if the PCI function is a physical function with VFs.
    """
    address = functions.address_of(ifname)
    return address, address is not None and functions.has_vfs(address)


def get_ifname_by_pci_address(
    pci_addr: str, pf_interface: bool = False, switchdev: bool = False
) -> str:
    """Return the name of the network interface of a PCI function.

    :param pci_addr: PCI address of the function.
    :param pf_interface: return the interface of the physical function of a VF.
    :param switchdev: consider only ports of an embedded switch, including the uplink.
    :raises PciDeviceNotFoundById: if no interface is found.
    """
    try:
        address = functions.vf(pci_addr).pf_address if pf_interface else pci_addr
    except OSError as error:
        raise PciDeviceNotFoundById(id=pci_addr) from error
    for name in functions.devices(address):
        if not switchdev or functions.switch_of(name):
            return name
    raise PciDeviceNotFoundById(id=pci_addr)


def get_vf_num_by_pci_address(pci_addr: str) -> str:
    """Return the number of a virtual function.

    :raises PciDeviceNotFoundById: if the address is not the address of a virtual function.
    """
    return str(_vf(pci_addr).number)


def get_pf_pci_from_vf(vf_pci: str) -> str:
    """Return the PCI address of the physical function of a virtual function.

    :raises PciDeviceNotFoundById: if the address is not the address of a virtual function.
    """
    return _vf(vf_pci).pf_address


def get_representor_port(pf_ifname: str, vf_num: str) -> str:
    """Return the name of the representor of a virtual function.

    :param pf_ifname: network interface of the physical function.
    :param vf_num: number of the virtual function.
    :raises RepresentorNotFound: if no representor is found.
    """
    try:
        address = functions.address_of(pf_ifname)
        if address is not None:
            return functions.representor(functions.Vf("", int(vf_num), address))
    except OSError as error:
        raise RepresentorNotFound(ifname=pf_ifname, vf_num=vf_num) from error
    raise RepresentorNotFound(ifname=pf_ifname, vf_num=vf_num)


def _vf(address: str) -> functions.Vf:
    """Return the virtual function of a PCI address.

    :raises PciDeviceNotFoundById: if the address is not the address of a virtual function.
    """
    try:
        return functions.vf(address)
    except OSError as error:
        raise PciDeviceNotFoundById(id=address) from error


def _run(*steps: KernelStep) -> None:
    """Run steps in the privileged daemon of the ``ovs`` plugin."""
    engine.run(Plan(*steps), "vif_plug_ovs.privsep")


def _require_deleted(name: str) -> None:
    """Raise StepFailed if a device still exists.

    ``DeleteLink`` and ``DeleteBridge`` leave devices in use and devices of other programs, without
    an error. The callers of these functions expect an error.
    """
    with rtnetlink.opened() as net:
        if net.link(name) is not None:
            raise exception.StepFailed(
                step="Deleting",
                device=name,
                reason="the device is in use, or is not of a kind that os-vif deletes",
                aftermath="The device remains",
            )
