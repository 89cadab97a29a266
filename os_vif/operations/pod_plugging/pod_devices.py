# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The device of a pod: a way for each class of VIFs, with the steps and the properties."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from os_vif import exception, vif_fields
from os_vif.escape import with_article
from os_vif.host import limits
from os_vif.operations.pod_plugging import nested_link
from os_vif.sandbox import Sandbox
from os_vif.steps import EnsureBridge, Plan
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_device import LendLink, PrepareLending
from os_vif.steps.pod.pod_upper_links import EnsurePodMacvlan, EnsurePodVlan
from os_vif.steps.pod.pod_veth import EnsurePodVeth

if TYPE_CHECKING:
    from collections.abc import Callable

    _Way = Callable[[Any, Any, Plan, "Target"], "Device"]


@dataclasses.dataclass(frozen=True)
class Target:
    """The open network namespace of a pod."""

    #: Path of the namespace file.
    netns: str
    #: ``DEVICE:INODE`` of the file.
    netns_id: str
    sandbox: Sandbox
    #: The descriptor of the file; None if the namespace has gone.
    file: int | None = None

    @property
    def ifname(self) -> str:
        return self.sandbox.ifname

    @property
    def place(self) -> tuple[str, str]:
        """The fields ``netns`` and ``netns_id`` of a step."""
        return self.netns, self.netns_id

    @property
    def known_place(self) -> tuple[str | None, str | None]:
        """The path, or None; and ``DEVICE:INODE``, or None for a namespace that has gone."""
        return self.sandbox.netns or None, None if self.file is None else self.netns_id

    def step(self, inner: KernelStep) -> InPod:
        """Return a step in the pod."""
        return InPod.of(self.netns, self.netns_id, inner)


@dataclasses.dataclass(frozen=True)
class Device:
    """The device of a pod: the steps that create or remove the device, and its properties."""

    #: Steps on the way into the pod.
    steps: tuple[KernelStep, ...] = ()
    #: Steps before the steps of the host.
    first: tuple[KernelStep, ...] = ()
    mac: str | None = None
    mtu: int | None = None
    host_name: str | None = None
    pci_id: str | None = None
    socket_path: str | None = None
    device_info: dict[str, Any] | None = None
    #: False for a VIF without a network interface, such as vhost-user.
    has_interface: bool = True


def _veth_in_bridge(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return a veth pair whose end on the host is in a Linux bridge."""
    name, bridge = vif_fields.named(vif, "vif_name"), vif_fields.named(vif, "bridge_name")
    # The daemon accepts a bridge that the call names.
    named = any(isinstance(step, EnsureBridge) and step.name == bridge for step in host)
    device = _veth(plugin, vif, target, name, bridge)
    return (
        device
        if named
        else dataclasses.replace(device, steps=(EnsureBridge(bridge), *device.steps))
    )


def _veth_in_switch(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return a veth pair whose end on the host is a port of Open vSwitch."""
    del host
    return _veth(plugin, vif, target, vif_fields.named(vif, "vif_name"))


def _veth(plugin: Any, vif: Any, target: Target, name: str, bridge: str = "") -> Device:
    mac, mtu = vif_fields.mac(vif), _mtu(plugin, vif)
    step = EnsurePodVeth(name, *target.place, target.ifname, mac, mtu, bridge)
    return Device((step,), (), mac, mtu, name)


def _macvlan(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return a macvlan device on the link interface of the host."""
    del host
    mac, mtu = vif_fields.mac(vif), _mtu(plugin, vif)
    link = nested_link.require_link(mtu)
    step = EnsurePodMacvlan(target.ifname, *target.place, link, mac, mtu)
    return Device((step,), (), mac, mtu, link)


def _vlan(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return a VLAN device on the link interface of the host."""
    del host
    mac, mtu = vif_fields.mac(vif), _mtu(plugin, vif)
    link = nested_link.require_link(mtu)
    number = vif_fields.get(vif, "vlan_id")
    try:
        step = EnsurePodVlan(target.ifname, *target.place, link, mac, mtu, vlan_id=number)
    except exception.InvalidStep as error:
        raise vif_fields.of_step(error, {"vlan_id": "vif.vlan_id"}) from error
    return Device((step,), (), mac, mtu, link)


def _virtual_function(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return the network device of a virtual function, lent to the pod."""
    del host
    mac, mtu, address = vif_fields.mac(vif), _mtu(plugin, vif), vif_fields.pci_address(vif)
    try:
        place = (target.ifname, *target.place, address)
        first, step = PrepareLending(*place), LendLink(*place)
    except exception.InvalidStep as error:
        raise vif_fields.of_step(error, {"pci_address": "vif.dev_address"}) from error
    info = _pci_info(address)
    return Device((step,), (first,), mac, mtu, None, pci_id=address, device_info=info)


def _vhost_user(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return the socket of a vhost-user port. The pod opens the socket; it has no interface."""
    del host, target
    path, mode = vif_fields.get(vif, "path"), vif_fields.get(vif, "mode")
    if not path:
        raise vif_fields.invalid("vif.path", "unset", "the path of the vhost-user socket")
    info = {
        "type": "vhost-user",
        "version": "1.1.0",
        "vhost-user": {"mode": mode or "client", "path": path},
    }
    return Device(
        mac=vif_fields.get(vif, "address"),
        mtu=_mtu(plugin, vif),
        socket_path=path,
        device_info=info,
        has_interface=False,
    )


def _dpdk(plugin: Any, vif: Any, host: Plan, target: Target) -> Device:
    """Return the PCI address of a device that the pod drives by itself."""
    del host, target
    address = vif_fields.get(vif, "pci_address")
    if not limits.is_pci_address(address):
        expected = "a PCI address in lower case, such as 0000:03:00.2"
        raise vif_fields.invalid("vif.pci_address", repr(address), expected)
    return Device(
        mac=vif_fields.get(vif, "address"),
        mtu=_mtu(plugin, vif),
        pci_id=address,
        device_info=_pci_info(address),
        has_interface=False,
    )


def _pci_info(address: str) -> dict[str, Any]:
    return {"type": "pci", "version": "1.1.0", "pci": {"pci-address": address}}


#: The function for the device of a class of VIFs.
_WAYS: tuple[tuple[str, _Way], ...] = (
    ("VIFBridge", _veth_in_bridge),
    ("VIFOpenVSwitch", _veth_in_switch),
    ("VIFMacvlanNested", _macvlan),
    ("VIFVlanNested", _vlan),
    ("VIFHostDevice", _virtual_function),
    ("VIFDirect", _virtual_function),
    ("VIFSriov", _virtual_function),
    ("VIFVHostUser", _vhost_user),
    ("VIFDPDKNested", _dpdk),
    ("VIFNestedDPDK", _dpdk),
)


def way_of(vif: Any) -> _Way:
    """Return the function for the class of a VIF, by name: kuryr may have registered the class.

    :raises os_vif.exception.InvalidField: for a class without an interface for pods.
    """
    found = dict(_WAYS).get(vif.obj_name())
    if found is None:
        known = ", ".join(name for name, _ in _WAYS)
        raise vif_fields.invalid("vif", with_article(vif.obj_name()), f"one of {known}")
    return found


def _mtu(plugin: Any, vif: Any) -> int | None:
    """Return the MTU of the network in bytes, or of the plugin's options; None for neither."""
    config = plugin.config
    if getattr(config, "network_device_mtu", None) is None:
        network = vif_fields.get(vif, "network")
        return (vif_fields.get(network, "mtu") or None) if network is not None else None
    return vif_fields.mtu(vif, config, f"os_vif_{vif.plugin}")
