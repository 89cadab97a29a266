# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that lend a virtual function's device to a pod, and take the device back.

Two alternative names (``altname`` of ``ip link show``) stay with the device in every network
namespace: ``os-vif-was-NAME`` with the name on the host, and ``os-vif-had-INDEX-MAC-MTU`` with the
MAC address and the MTU. The kernel returns the device of an ended namespace to the host by itself,
and the alternative names tell the name, MAC address and MTU then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from os_vif.host.netlink.alternative_names import (
    add_alternative_name,
    delete_alternative_name,
    read_alternative_names,
)
from os_vif.host.netlink.pod_namespaces import GoneError
from os_vif.host.sriov import functions
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_settings import read_settings
from os_vif.steps.pod.pod_step import PodStep

if TYPE_CHECKING:
    from os_vif.host.netlink.pod_namespaces import PodNamespace
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host

_WAS = "os-vif-was-"
_HAD = re.compile("os-vif-had-([0-9]+)-([0-9a-f]{12})-([0-9]+)")
_OWN = "/proc/thread-self/ns/net"


class _Origin(NamedTuple):
    """The settings of a device on the host, from the alternative names."""

    name: str
    mac: str
    mtu: int
    alternative_names: tuple[str, ...]


def _read_origin(net: Netlink, link: Link) -> _Origin | None:
    """Return the settings of a lent device on the host; None for another device."""
    names = read_alternative_names(net, link)
    was = next((name for name in names if name.startswith(_WAS)), None)
    had = next((match for match in map(_HAD.fullmatch, names) if match), None)
    if was is None or had is None:
        # The ovs plugin has renamed the device.
        return None
    mac, mtu = bytes.fromhex(had[2]).hex(":"), int(had[3])
    return _Origin(was.removeprefix(_WAS), mac, mtu, (was, had[0]))


@dataclasses.dataclass(frozen=True)
class _PodDevice(PodStep):
    """Base class of a step for the device of a virtual function, called *name* in the pod."""

    #: PCI address of the virtual function.
    pci_address: str

    @property
    def device(self) -> str:
        return f"{self.name} in {self.netns}"

    @property
    def devices(self) -> tuple[str, ...]:
        return (*super().devices, self.pci_address)

    def validate(self) -> None:
        super().validate()
        validate.pci_address(self, "pci_address")

    def _on_host(self, net: Netlink) -> Link | None:
        """Return the device of the virtual function on the host, or None."""
        links = (net.link(name) for name in functions.devices(self.pci_address))
        return next((link for link in links if link is not None), None)


@dataclasses.dataclass(frozen=True)
class LendLink(_PodDevice):
    """The network device of a virtual function is in a pod, under the name *name*.

    :raises OSError: with EEXIST if the pod has another device of the name; with ENODEV if the
        virtual function has no device on the host; with ENOENT if the namespace has gone.

    Equivalent to: ``ip link set dev DEVICE netns NETNS name NAME``
    """

    def commands(self) -> tuple[str, ...]:
        listed = f"$(ls /sys/bus/pci/devices/{self.pci_address}/net)"
        return (f"ip link set dev {listed} netns {quote(self.netns)} name {quote(self.name)}",)

    def refusal(self, host: Host) -> str | None:
        if (reason := super().refusal(host)) is not None:
            return reason
        if not functions.is_vf(self.pci_address):
            return f"{self.pci_address} is no virtual function"
        link = self._on_host(host.net)
        return f"the host uses {link.name}" if link is not None and host.is_hosts(link) else None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = inside.link(self.name)
                is_lent = link is not None and _read_origin(inside, link) is not None
        except GoneError as error:
            return (self.difference("network namespace", error.strerror, "there"),)
        if is_lent:
            return ()
        found = "missing" if link is None else "another device"
        expected = f"the device of {self.pci_address}"
        return (self.difference("device", found, expected),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        with self.opened() as pod:
            if not self.differences(net):
                return ()
            link = self._on_host(net)
            if link is None:
                reason = f"{self.pci_address} has no network device on the host"
                raise OSError(errno.ENODEV, reason)
            self._require_free(pod)
            self._send(net, pod, link)
        place = (self.name, self.netns, self.netns_id, self.pci_address)
        return (ReturnLink(*place),)

    def _require_free(self, pod: PodNamespace) -> None:
        with pod.entered() as inside:
            other = inside.resolve(self.name)
        if other is not None:
            reason = f"the pod {self.netns} has a device {self.name} already"
            raise OSError(errno.EEXIST, reason)

    def _send(self, net: Netlink, pod: PodNamespace, link: Link) -> None:
        """Move and rename the device. An error leaves the device on the host, unchanged."""
        if _read_origin(net, link) is None:
            mac = (link.address or "00:00:00:00:00:00").replace(":", "")
            # Stored first: a process killed before the move leaves the device with the names.
            # The name of the host is last, and tells that the other values are complete.
            for alternative in (
                f"os-vif-had-{link.index}-{mac}-{link.mtu}",
                f"{_WAS}{link.name}",
            ):
                if alternative not in read_alternative_names(net, link):
                    add_alternative_name(net, link, alternative)
        try:
            net.change(link, {"IFLA_NET_NS_FD": pod.file, "IFLA_IFNAME": self.name})
        except OSError:
            _forget_origin(net, link)
            raise
        with pod.entered() as inside:
            # The device has come without a message of this socket.
            inside.invalidate_cache()


@dataclasses.dataclass(frozen=True)
class ReturnLink(_PodDevice):
    """The network device of a virtual function is on the host, with the earlier name, MAC address
    and MTU.

    The step holds for a device that os-vif has not lent. If the namespace has gone, the kernel has
    returned the device already, and the step restores the name, MAC address and MTU.

    :raises OSError: with EEXIST if another device of the host has the earlier name.

    Equivalent to: ``nsenter --net=NETNS ip link set dev NAME netns HOST name EARLIER-NAME``
    """

    def commands(self) -> tuple[str, ...]:
        command = f"ip link set dev {quote(self.name)} netns 1"
        return (f"nsenter --net={quote(self.netns)} {command}  # with its name and MAC address",)

    def refusal(self, host: Host) -> str | None:
        return super().refusal(host)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        with contextlib.suppress(GoneError), self.opened() as pod, pod.entered() as inside:
            link = inside.link(self.name)
            if link is not None and _read_origin(inside, link) is not None:
                return (self.difference("network namespace", self.netns, "the host"),)
        link = self._on_host(net)
        if link is not None and (origin := _read_origin(net, link)) is not None:
            return (self.difference("name", link.name, origin.name),)
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        undo: tuple[KernelStep, ...] = ()
        with contextlib.suppress(GoneError):
            undo = self._fetch(net)
        link = self._on_host(net)
        origin = None if link is None else _read_origin(net, link)
        if link is None or origin is None:
            return undo
        if origin.name != link.name:
            net.set(link, up=False)
            net.change(link, {"IFLA_IFNAME": origin.name})
        net.set(link, address=origin.mac, mtu=origin.mtu)
        _forget_origin(net, link)
        return undo

    def _fetch(self, net: Netlink) -> tuple[KernelStep, ...]:
        """Move the device to the host under the earlier name; return the undo steps."""
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = inside.link(self.name)
                origin = None if link is None else _read_origin(inside, link)
                if link is None or origin is None:
                    return ()
                settings = read_settings(inside, link)
                inside.set(link, up=False)
                inside.change(link, {"IFLA_NET_NS_FD": own, "IFLA_IFNAME": origin.name})
        finally:
            os.close(own)
            net.invalidate_cache()
        inner = [InPod.of(self.netns, self.netns_id, step, missing_ok=True) for step in settings]
        return (LendLink(self.name, self.netns, self.netns_id, self.pci_address), *inner)


def _forget_origin(net: Netlink, link: Link) -> None:
    """Delete the alternative names of a lent device."""
    origin = _read_origin(net, link)
    for alternative in () if origin is None else origin.alternative_names:
        delete_alternative_name(net, link, alternative)
