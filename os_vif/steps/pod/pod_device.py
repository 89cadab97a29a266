# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that lend a virtual function's device to a pod, and take the device back.

A record in ``/run/os-vif`` has the name, MAC address and MTU on the host, and identifies the device
in the pod. Nothing that the pod can change decides about the device that comes back. The kernel
returns the device of an ended namespace to the host by itself, and the record tells the settings
then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.netlink.pod_namespaces import GoneError
from os_vif.host.sriov import functions
from os_vif.host.state import lent_devices
from os_vif.host.state.lent_devices import LentDevice
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

_OWN = "/proc/thread-self/ns/net"


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

    def refusal(self, host: Host) -> str | None:
        if (reason := super().refusal(host)) is not None:
            return reason
        is_vf = functions.is_vf(self.pci_address)
        return None if is_vf else f"{self.pci_address} is no virtual function"

    @property
    def _place(self) -> tuple[str, str, str, str]:
        return self.name, self.netns, self.netns_id, self.pci_address

    def _record(self) -> LentDevice | None:
        """Return the record of the device, if lent to the namespace of the step."""
        record = lent_devices.read_record(self.pci_address)
        return record if record is not None and record.netns_id == self.netns_id else None

    def _on_host(self, net: Netlink) -> Link | None:
        """Return the device of the virtual function on the host, or None."""
        links = (net.link(name) for name in functions.devices(self.pci_address))
        return next((link for link in links if link is not None), None)


@dataclasses.dataclass(frozen=True)
class PrepareLending(_PodDevice):
    """A rollback restores the MAC address of a virtual function's device last.

    The step stands before the settings of the physical function, and changes nothing: a driver
    refuses the earlier MAC address until the address that the physical function has assigned is
    released (igbvf).
    """

    def commands(self) -> tuple[str, ...]:
        return (f"# a rollback restores the MAC address of {self.pci_address} last",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        # The rollback of a repeated plug leaves the device in the pod.
        if self._record() is not None:
            return ()
        return (ReturnLink(*self._place),)


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
        link = self._on_host(host.net)
        return f"the host uses {link.name}" if link is not None and host.is_hosts(link) else None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = inside.link(self.name)
        except GoneError as error:
            return (self.difference("network namespace", error.strerror, "there"),)
        record = self._record()
        is_lent = link is not None and record is not None and record.is_about(link)
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
        return (ReturnLink(*self._place, keep_record=True),)

    def _require_free(self, pod: PodNamespace) -> None:
        with pod.entered() as inside:
            other = inside.resolve(self.name)
        if other is not None:
            reason = f"the pod {self.netns} has a device {self.name} already"
            raise OSError(errno.EEXIST, reason)

    def _send(self, net: Netlink, pod: PodNamespace, link: Link) -> None:
        """Move and rename the device. An error leaves the device on the host, unchanged."""
        record = LentDevice(
            self.pci_address,
            self.netns_id,
            self.netns,
            link.index,
            link.kind,
            link.name,
            link.address,
            link.mtu,
            lent_devices.incarnation_of(self.pci_address),
        )
        # Written first: a process killed before the move leaves the device with a record.
        lent_devices.write_record(record)
        try:
            net.change(link, {"IFLA_NET_NS_FD": pod.file, "IFLA_IFNAME": self.name})
        except OSError:
            self._bring_back(net, pod, record)
            lent_devices.delete_record(self.pci_address)
            raise
        with pod.entered() as inside:
            # The device has come without a message of this socket.
            inside.invalidate_cache()
            lent = inside.require(self.name)
            index = lent.index
            # When a device goes down, the driver reads the MAC address that the physical function
            # has assigned, and refuses every other address (igbvf).
            with contextlib.suppress(OSError):
                inside.set(lent, up=True)
            inside.set(lent, up=False)
        if index != link.index:
            # Another device of the pod has the index of the device on the host.
            lent_devices.write_record(dataclasses.replace(record, index=index))

    def _bring_back(self, net: Netlink, pod: PodNamespace, record: LentDevice) -> None:
        """Move the device back if the kernel has moved, but not renamed, the device."""
        net.invalidate_cache()
        if self._on_host(net) is not None:
            return
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with pod.entered() as inside:
                inside.invalidate_cache()
                link = inside.link_at(record.index)
                if link is not None and record.is_about(link):
                    inside.change(link, {"IFLA_NET_NS_FD": own, "IFLA_IFNAME": record.name})
        finally:
            os.close(own)
            net.invalidate_cache()


@dataclasses.dataclass(frozen=True)
class ReturnLink(_PodDevice):
    """The network device of a virtual function is on the host, with the earlier name, MAC address
    and MTU.

    The step holds for a device that os-vif has not lent. If the namespace has gone, the kernel has
    returned the device already, and the step restores the name, MAC address and MTU.

    :raises OSError: with EEXIST if another device of the host has the earlier name.

    Equivalent to: ``nsenter --net=NETNS ip link set dev NAME netns HOST name EARLIER-NAME``
    """

    #: Leave the MAC address and the record to a later step.
    keep_record: bool = False

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "keep_record")

    def commands(self) -> tuple[str, ...]:
        command = f"ip link set dev {quote(self.name)} netns 1"
        return (f"nsenter --net={quote(self.netns)} {command}  # with its name and MAC address",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._record() is not None:
            with contextlib.suppress(GoneError), self.opened() as pod, pod.entered() as inside:
                if self._in_pod(inside) is not None:
                    return (self.difference("network namespace", self.netns, "the host"),)
        link = self._on_host(net)
        record = lent_devices.read_record(self.pci_address)
        if link is not None and record is not None:
            return (self.difference("name", link.name, record.name),)
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        undo: tuple[KernelStep, ...] = ()
        if self._record() is not None:
            with contextlib.suppress(GoneError):
                undo = self._fetch(net)
        # The kernel returns the device of an ended namespace.
        link = self._on_host(net)
        record = lent_devices.read_record(self.pci_address)
        if link is None or record is None:
            return undo
        if record.name != link.name:
            net.set(link, up=False)
            net.change(link, {"IFLA_IFNAME": record.name})
        net.set(link, mtu=record.mtu)
        if self.keep_record:
            return undo
        # If the driver refuses the address, the record remains for the next unplug.
        net.set(link, address=record.mac)
        lent_devices.delete_record(self.pci_address)
        return undo

    def _in_pod(self, inside: Netlink) -> Link | None:
        """Return the lent device in the pod, under any name, or None."""
        record = self._record()
        link = None if record is None else inside.link_at(record.index)
        return link if link is not None and record is not None and record.is_about(link) else None

    def _fetch(self, net: Netlink) -> tuple[KernelStep, ...]:
        """Move the device to the host under the earlier name; return the undo steps."""
        record = self._record()
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self.opened() as pod:
                with pod.entered() as inside:
                    link = self._in_pod(inside)
                if link is None or record is None:
                    return ()
                if net.resolve(record.name) is not None:
                    # The kernel would move the device, and then fail to rename the device.
                    reason = f"another device of the host has the name {record.name}"
                    raise OSError(errno.EEXIST, reason)
                with pod.entered() as inside:
                    settings = read_settings(inside, link)
                    inside.set(link, up=False)
                    inside.change(link, {"IFLA_NET_NS_FD": own, "IFLA_IFNAME": record.name})
                net.invalidate_cache()
                self._require_own_device(net, pod, record, link)
        finally:
            os.close(own)
        inner = [
            InPod.of(self.netns, self.netns_id, step, missing_ok=True)
            for step in settings
            if link.name == self.name
        ]
        return (LendLink(self.name, self.netns, self.netns_id, self.pci_address), *inner)

    def _require_own_device(
        self, net: Netlink, pod: PodNamespace, record: LentDevice, link: Link
    ) -> None:
        """Raise OSError, and move the device back, unless sysfs tells that the device is the VF's.

        A pod with several virtual functions can exchange their indexes.
        """
        found = net.require(record.name)
        if found.name in functions.devices(self.pci_address):
            return
        net.change(found, {"IFLA_NET_NS_FD": pod.file, "IFLA_IFNAME": link.name})
        reason = f"the device in {self.netns} is not the device of {self.pci_address}"
        raise OSError(errno.EPERM, reason)
