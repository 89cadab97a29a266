# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that create macvlan and VLAN devices in a pod, on top of a device of the host."""

from __future__ import annotations

import abc
import dataclasses
import errno
import time
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host import limits
from os_vif.host.netlink import namespaces
from os_vif.host.netlink.pod_namespaces import GoneError
from os_vif.host.netlink.rtnetlink import CREATING_GROUP, MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_settings import read_settings
from os_vif.steps.pod.pod_step import PodStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.host.netlink.pod_namespaces import PodNamespace
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host

#: ``MACVLAN_MODE_BRIDGE`` of linux/if_link.h: the pods of a host reach each other.
_BRIDGE_MODE = 4
#: Seconds to wait until the kernel has removed the devices of an ended namespace, and between two
#: attempts.
_WAIT, _INTERVAL = 3.0, 0.02


@dataclasses.dataclass(frozen=True)
class _PodUpperLink(PodStep):
    """Base class of a step for a device in a pod, called *name*, on top of a device of the host."""

    #: Name of the device of the host.
    link: str
    #: MAC address, at creation; None lets the kernel choose.
    mac: str | None = None
    #: MTU in bytes, at creation; None is the MTU of the device of the host.
    mtu: int | None = None

    @property
    @abc.abstractmethod
    def _kind(self) -> str:
        """``IFLA_INFO_KIND`` of the device."""

    @property
    @abc.abstractmethod
    def _data(self) -> dict[str, Any]:
        """``IFLA_INFO_DATA`` of the device."""

    @property
    @abc.abstractmethod
    def _settings(self) -> str:
        """The settings of the kind, as ip-link(8) names them."""

    @property
    def device(self) -> str:
        return f"{self.name} in {self.netns}"

    @property
    def devices(self) -> tuple[str, ...]:
        return (*super().devices, self.link)

    @property
    def uplink(self) -> str | None:
        return self.link

    @property
    def _expected(self) -> str:
        return f"a {self._kind} device on {self.link} of the host, {self._settings}"

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "link")
        validate.mac(self, "mac", optional=True)
        validate.integer(self, "mtu", 1, 2**31 - 1, optional=True)

    def commands(self) -> tuple[str, ...]:
        path, name = quote(self.netns), quote(self.name)
        words = [f"ip link add link {quote(self.link)} name {name}"]
        words += [] if self.mac is None else [f"address {self.mac}"]
        words += [] if self.mtu is None else [f"mtu {self.mtu}"]
        words += [f"netns {path} type {self._kind} {self._settings}"]
        return (
            " ".join(words),
            f"nsenter --net={path} ip link set dev {name} alias {MANAGED_ALIAS}",
        )

    def refusal(self, host: Host) -> str | None:
        if (reason := super().refusal(host)) is not None:
            return reason
        link = host.link(self.link)
        return f"{self.link} is the loopback device" if link is not None and _is_lo(link) else None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        lower = net.link(self.link)
        if lower is None:
            return (self.difference(f"device {self.link}", "missing", "there"),)
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = inside.link(self.name)
                found = "missing" if link is None else self._mismatch(link, lower)
        except GoneError as error:
            return (self.difference("network namespace", error.strerror, "there"),)
        return () if found is None else (self.difference("device", found, self._expected),)

    def _mismatch(self, link: Link, lower: Link) -> str | None:
        """Return in words how a device of the pod differs from the expected device, or None."""
        if link.kind != self._kind:
            return describe_kind(link)
        if link.lower != lower.index or link.lower_netns is None:
            return f"a {self._kind} device on another device"
        data = {name: link.data.get(name) for name in self._data}
        return None if data == self._data else f"a {self._kind} device with other settings"

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        lower = net.require(self.link)
        with self.opened() as pod:
            with pod.entered() as inside:
                link = inside.resolve(self.name)
                found = None if link is None else self._mismatch(link, lower)
                if link is not None and link.name == self.name and found is None:
                    if link.group == CREATING_GROUP:
                        inside.mark(link)
                    return ()
            if link is not None:
                reason = f"the pod has a device {self.name}, {found or 'an alternative name'}"
                raise OSError(errno.EEXIST, f"{reason}, not {self._expected}")
            self._create(net, pod, lower)
            created = self._mark(pod)
        undo = DeleteLink(self.name, index=created.index)
        return (InPod.of(self.netns, self.netns_id, undo, missing_ok=True),)

    def _create(self, net: Netlink, pod: PodNamespace, lower: Link) -> None:
        attributes: dict[str, Any] = {
            "IFLA_NET_NS_FD": pod.file,
            "IFLA_LINK": lower.index,
        }
        if self.mac is not None:
            attributes["IFLA_ADDRESS"] = self.mac
        if self.mtu is not None:
            attributes["IFLA_MTU"] = self.mtu
        net.add_elsewhere(self.name, self._kind, self._data, **attributes)

    def _mark(self, pod: PodNamespace) -> Link:
        with pod.entered() as inside:
            # The kernel has created the device without a message of this socket.
            inside.invalidate_cache()
            link = inside.require(self.name)
            try:
                inside.mark(link)
            except OSError:
                inside.delete(link)
                raise
        return link


@dataclasses.dataclass(frozen=True)
class EnsurePodMacvlan(_PodUpperLink):
    """A macvlan device in a pod, on top of a device of the host, exists. The mode is ``bridge``.

    The device is created in the pod, with its final name, MAC address and MTU.

    :raises OSError: with EEXIST if the pod has another device of the name; with ENODEV if the device
        *link* is missing; with ENOENT if the namespace has gone.

    Equivalent to: ``ip link add link LINK name NAME netns NETNS type macvlan mode bridge``
    """

    @property
    def _kind(self) -> str:
        return "macvlan"

    @property
    def _data(self) -> dict[str, Any]:
        return {"IFLA_MACVLAN_MODE": _BRIDGE_MODE}

    @property
    def _settings(self) -> str:
        return "mode bridge"


@dataclasses.dataclass(frozen=True)
class EnsurePodVlan(_PodUpperLink):
    """A VLAN device (IEEE 802.1Q) in a pod, on top of a device of the host, exists.

    The device is created in the pod, with its final name, MAC address and MTU. A device of os-vif
    with the same VLAN id in another namespace remains of an earlier pod, and is deleted. The step
    waits up to 3 seconds for the devices of a namespace that has just ended.

    :raises OSError: with EEXIST if another device has the name or the VLAN id; with ENODEV if the
        device *link* is missing; with ENOENT if the namespace has gone.

    Equivalent to: ``ip link add link LINK name NAME netns NETNS type vlan id VLAN_ID``
    """

    #: VLAN id, 1 to 4094.
    vlan_id: int = 0

    @property
    def _kind(self) -> str:
        return "vlan"

    @property
    def _data(self) -> dict[str, Any]:
        return {"IFLA_VLAN_ID": self.vlan_id}

    @property
    def _settings(self) -> str:
        return f"id {self.vlan_id}"

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "vlan_id", limits.MIN_VLAN, limits.MAX_VLAN)

    def _create(self, net: Netlink, pod: PodNamespace, lower: Link) -> None:
        # The host can find the device by the number of the namespace when the pod has gone.
        namespaces.require_number(net, {"NETNSA_FD": pod.file})
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                super()._create(net, pod, lower)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
            else:
                return
            self._delete_stale(net, lower)
            if time.monotonic() > deadline:
                reason = f"another device has VLAN {self.vlan_id} on {self.link}"
                raise OSError(errno.EEXIST, reason)
            time.sleep(_INTERVAL)

    def _delete_stale(self, net: Netlink, lower: Link) -> None:
        """Delete the devices of os-vif with the VLAN id in other namespaces that the host knows."""
        for number in namespaces.numbers(net):
            for link in namespaces.links_in(net, number, "vlan"):
                is_on_link = link.lower == lower.index and link.lower_netns is not None
                is_same = is_on_link and link.data.get("IFLA_VLAN_ID") == self.vlan_id
                if is_same and link.is_managed:
                    namespaces.delete_in(net, number, link)


@dataclasses.dataclass(frozen=True)
class DeletePodLink(PodStep):
    """A macvlan or VLAN device of os-vif, called *name*, does not exist in a pod.

    A device of another creator stays. The step holds if the namespace has gone.

    Equivalent to: ``nsenter --net=NETNS ip link del dev NAME``
    """

    #: MAC address of the device; a device with another MAC address stays. None is any.
    mac: str | None = None

    @property
    def device(self) -> str:
        return f"{self.name} in {self.netns}"

    def validate(self) -> None:
        super().validate()
        validate.mac(self, "mac", optional=True)

    def commands(self) -> tuple[str, ...]:
        command = f"ip link del dev {quote(self.name)}  # if it is os-vif's"
        return (f"nsenter --net={quote(self.netns)} {command}",)

    def _target(self, inside: Netlink) -> Link | None:
        link = inside.link(self.name)
        is_ours = link is not None and link.is_managed and link.kind in _RECREATED_BY
        is_target = is_ours and link is not None and self.mac in (None, link.address)
        return link if is_target else None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = self._target(inside)
        except GoneError:
            return ()
        return () if link is None else (self.difference("device", describe_kind(link), "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                link = self._target(inside)
                if link is None:
                    return ()
                settings = read_settings(inside, link)
                inside.delete(link)
        except GoneError:
            return ()
        lower = net.link_at(link.lower or 0)
        if lower is None:
            return (Irreversible(self.name, f"{describe_kind(link)} in {self.netns}, deleted"),)
        created = _RECREATED_BY[link.kind or ""](self, link, lower.name)
        inner = [InPod.of(self.netns, self.netns_id, step, missing_ok=True) for step in settings]
        return (created, *inner)


def _recreate_macvlan(step: PodStep, link: Link, lower: str) -> KernelStep:
    return EnsurePodMacvlan(step.name, step.netns, step.netns_id, lower, link.address, link.mtu)


def _recreate_vlan(step: PodStep, link: Link, lower: str) -> KernelStep:
    number = int(link.data["IFLA_VLAN_ID"])
    place = (step.name, step.netns, step.netns_id)
    return EnsurePodVlan(*place, lower, link.address, link.mtu, vlan_id=number)


#: The function for the step that recreates a device, by ``IFLA_INFO_KIND``.
_RECREATED_BY: dict[str, Callable[[PodStep, Link, str], KernelStep]] = {
    "macvlan": _recreate_macvlan,
    "vlan": _recreate_vlan,
}


def _is_lo(link: Link) -> bool:
    return link.name == "lo"
