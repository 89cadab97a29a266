# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Old functions on network devices. What changes something is a plan, run by os-vif's daemon.

:raises os_vif.exception.StepFailed: from each; then it was undone, or the text says what was not.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host import load_engine, netlink, sriov
from os_vif.host.bridges import HYBRID
from os_vif.host.plan import Plan
from os_vif.host.steps import (
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureTap,
    EnsureVeth,
    SetLink,
    Sysctl,
)
from vif_plug_ovs._exception import PciDeviceNotFoundById, RepresentorNotFound

if TYPE_CHECKING:
    from os_vif.host.plan import Step

warnings.warn(
    "vif_plug_ovs.linux_net is deprecated: let a plugin plan with the steps of os_vif.host.steps",
    DeprecationWarning,
    stacklevel=2,
)


def ensure_bridge(bridge: str) -> None:
    """A Linux bridge of one VIF is there and up; the host is not reached through it."""
    _run(
        EnsureBridge(bridge, ageing=0),
        *Sysctl.hardening(bridge, only_ours=False),
        SetLink(bridge, up=True),
    )


def delete_bridge(bridge: str, dev: str) -> None:
    """A bridge that os-vif made, or whose name begins with qbr, is gone, whatever was in it.

    :param dev: a device in it, which goes down.
    """
    with netlink.opened() as net:
        link = net.link(bridge)
        may_be = link is not None and (link.ours or bridge.startswith(HYBRID))
        ports = net.ports(link) if link is not None and may_be else []
    _run(
        *(SetLink(port.name, master="", if_there=True) for port in ports),
        SetLink(dev, up=False, if_there=True),
        DeleteBridge(bridge, unmarked=True),
    )
    _gone(bridge)


def add_bridge_port(bridge: str, dev: str) -> None:
    """A device is in a bridge. One that is in another is not taken from there."""
    _run(SetLink(dev, master=bridge))


def create_veth_pair(dev1_name: str, dev2_name: str, mtu: int | None) -> None:
    """A new pair of connected devices, up and promiscuous; older ones of these names are gone."""
    _run(
        DeleteLink(dev1_name, unmarked=True),
        DeleteLink(dev2_name, unmarked=True),
        EnsureVeth(dev1_name, dev2_name),
        SetLink(dev1_name, mtu=mtu or None, promiscuous=True, up=True),
        SetLink(dev2_name, mtu=mtu or None, promiscuous=True, up=True),
    )


def update_veth_pair(dev1_name: str, dev2_name: str, mtu: int | None) -> None:
    """Both devices of a pair have an MTU, in bytes, as far as they are there."""
    pair = (dev1_name, dev2_name)
    _run(*(SetLink(name, mtu=mtu or None, if_there=True) for name in pair))


def create_tap(dev: str, mtu: int | None, mac: str, multiqueue: bool = False) -> None:
    """A tap device is there, up, with its guest's MAC address and without an address of IPv6."""
    _run(
        EnsureTap(dev, multiqueue, address=mac.lower()),
        Sysctl(dev, "disable_ipv6", 1, only_ours=True),
        SetLink(dev, mtu=mtu or None, up=True),
    )


def delete_net_dev(dev: str) -> None:
    """A device that a VIF may have is gone: tap, veth, and what os-vif has made."""
    _run(DeleteLink(dev, unmarked=True))
    _gone(dev)


def set_device_mtu(dev: str, mtu: int | None) -> None:
    """A device has an MTU, in bytes, if it is there. None and 0 leave it as it is."""
    _run(SetLink(dev, mtu=mtu or None, if_there=True))


def set_interface_state(interface_name: str, port_state: str) -> None:
    """A device is ``up``, or ``down``."""
    _run(SetLink(interface_name, up=port_state == "up"))


def get_dpdk_representor_port_name(port_id: str) -> str:
    """The name of a representor that DPDK opens."""
    return f"vfr{port_id}"[:14]


def get_function_by_ifname(ifname: str) -> tuple[str | None, bool]:
    """The PCI address of a device, and whether it is a function that has virtual ones."""
    address = sriov.address_of(ifname)
    return address, address is not None and sriov.has_vfs(address)


def get_ifname_by_pci_address(
    pci_addr: str, pf_interface: bool = False, switchdev: bool = False
) -> str:
    """The network device of a PCI function.

    :param pf_interface: of the physical function that the address is a virtual one of.
    :param switchdev: only the uplink of a switch, or another port of it.
    :raises PciDeviceNotFoundById: if there is none.
    """
    try:
        address = sriov.vf(pci_addr).pf_address if pf_interface else pci_addr
    except OSError as error:
        raise PciDeviceNotFoundById(id=pci_addr) from error
    for name in sriov.devices(address):
        if not switchdev or sriov.switch_of(name):
            return name
    raise PciDeviceNotFoundById(id=pci_addr)


def get_vf_num_by_pci_address(pci_addr: str) -> str:
    """The number of a virtual function.

    :raises PciDeviceNotFoundById: if there is no such virtual function.
    """
    return str(_vf(pci_addr).number)


def get_pf_pci_from_vf(vf_pci: str) -> str:
    """The PCI address of the physical function of a virtual one.

    :raises PciDeviceNotFoundById: if there is no such virtual function.
    """
    return _vf(vf_pci).pf_address


def get_representor_port(pf_ifname: str, vf_num: str) -> str:
    """The name of the representor of a virtual function, by its number.

    :param pf_ifname: the network device of its physical function.
    :raises RepresentorNotFound: if there is none.
    """
    try:
        address = sriov.address_of(pf_ifname)
        if address is not None:
            return sriov.representor(sriov.Vf("", int(vf_num), address))
    except OSError as error:
        raise RepresentorNotFound(ifname=pf_ifname, vf_num=vf_num) from error
    raise RepresentorNotFound(ifname=pf_ifname, vf_num=vf_num)


def _vf(address: str) -> sriov.Vf:
    try:
        return sriov.vf(address)
    except OSError as error:
        raise PciDeviceNotFoundById(id=address) from error


def _run(*steps: Step) -> None:
    load_engine().run(Plan(*steps), "vif_plug_ovs.privsep")


def _gone(name: str) -> None:
    """What a step spares, it spares without a word: a plug does not mind. Here it was asked for.

    :raises os_vif.exception.StepFailed: if it is still there.
    """
    with netlink.opened() as net:
        if net.link(name) is not None:
            raise exception.StepFailed(
                step="Deleting",
                device=name,
                reason="it is in use, or none that os-vif deletes",
                aftermath="It stays",
            )
