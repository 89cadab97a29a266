# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that creates a veth pair from the host into a pod."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.netlink import namespaces
from os_vif.host.netlink.alternative_names import add_alternative_name, read_alternative_names
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.netlink.pod_namespaces import GoneError
from os_vif.host.netlink.rtnetlink import CREATING_GROUP, MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.pod.pod_step import PodStep
from os_vif.steps.rollback import roll_back_partial

if TYPE_CHECKING:
    from typing import Any

    from os_vif.host.netlink.pod_namespaces import PodNamespace
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host


TAG = "os-vif-pod-"


def sandbox_tag(netns: str, netns_id: str, ifname: str) -> str:
    """Return the alternative name that tells the sandbox of a pair: three hashes."""
    return TAG + "-".join(map(_hash, (netns_id, netns, ifname)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


def is_of_other_sandbox(
    net: Netlink, link: Link, netns: str | None, netns_id: str | None, ifname: str
) -> bool:
    """Return whether the pair of a device leads into another sandbox. Needs no privileges.

    A device without a tag is of no known sandbox.

    :param netns: path of the namespace file; None for any path.
    :param netns_id: ``DEVICE:INODE`` of the file; None for a namespace that has gone, which is
        known by the path then.
    """
    tags = [name for name in read_alternative_names(net, link) if name.startswith(TAG)]
    if not tags:
        return False
    found_id, found_path, found_name = tags[0].removeprefix(TAG).split("-")
    if found_name != _hash(ifname):
        return True
    if netns_id is not None:
        return found_id != _hash(netns_id)
    return netns is not None and found_path != _hash(netns)


@dataclasses.dataclass(frozen=True)
class EnsurePodVeth(PodStep):
    """A veth pair of a device on the host, *name*, and a device in a pod, *ifname*, exists.

    The pair is created by a single message: the device in the pod has its final name from the
    beginning, and the device on the host is in its bridge. The device on the host is up, without
    IPv6. A device *name* of os-vif with the peer in another namespace remains of an earlier sandbox
    of the pod, and is replaced.

    :raises OSError: with EEXIST if the pod has another device *ifname*, or the host has another
        device *name*; with ENODEV if the bridge is missing; with ENOENT if the namespace has gone.

    Equivalent to: ``ip link add name NAME type veth peer name IFNAME netns NETNS``
    """

    #: Name of the device in the pod.
    ifname: str
    #: MAC address of the device in the pod, at creation; None lets the kernel choose.
    mac: str | None = None
    #: MTU of both devices in bytes, at creation; None is the kernel's default.
    mtu: int | None = None
    #: Name of the bridge with the device of the host as a port, at creation; empty for none.
    master: str = ""

    @property
    def devices(self) -> tuple[str, ...]:
        names = (self.name, self.master) if self.master else (self.name,)
        return (*super().devices, *names)

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "ifname")
        validate.mac(self, "mac", optional=True)
        validate.integer(self, "mtu", 1, 2**31 - 1, optional=True)
        if self.master != "":
            validate.device_name(self, "master")

    def commands(self) -> tuple[str, ...]:
        name, path, ifname = quote(self.name), quote(self.netns), quote(self.ifname)
        mtu = "" if self.mtu is None else f" mtu {self.mtu}"
        master = f" master {quote(self.master)}" if self.master else ""
        mac = "" if self.mac is None else f" address {self.mac}"
        peer = f"peer name {ifname}{mtu}{mac} netns {path}"
        return (
            f"ip link add name {name}{mtu}{master} type veth {peer}",
            *self._ipv6_off.commands(),
            f"ip link set dev {name} alias {MANAGED_ALIAS} up",
            f"nsenter --net={path} ip link set dev {ifname} alias {MANAGED_ALIAS}",
        )

    @property
    def _settings(self) -> SetLink:
        """The step for the settings of the device on the host."""
        return SetLink(self.name, mtu=self.mtu, master=self.master or None, up=True)

    @property
    def _ipv6_off(self) -> SetSysctl:
        """The step by which the host has no address on the device."""
        return SetSysctl(self.name, "disable_ipv6", 1)

    @property
    def _expected(self) -> str:
        return f"a veth device whose peer is {self.ifname} in {self.netns}"

    def refusal(self, host: Host) -> str | None:
        if (reason := super().refusal(host)) is not None:
            return reason
        bridge = host.link(self.master) if self.master else None
        if bridge is not None and not host.is_bridge(bridge):
            return f"{bridge.name} is no bridge of a VIF, nor named by EnsureBridge of the call"
        return None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), self._expected),)
        try:
            with self.opened() as pod:
                found = self._mismatch(net, link, pod)
        except GoneError as error:
            return (self.difference("network namespace", error.strerror, "there"),)
        if found is not None:
            return (self.difference("device", found, self._expected),)
        return (*self._ipv6_off.differences(net), *self._settings.differences(net))

    def _mismatch(self, net: Netlink, link: Link, pod: PodNamespace) -> str | None:
        """Return in words how a device differs from the expected device; None if as expected."""
        if link.kind != "veth":
            return describe_kind(link)
        if link.lower is None or link.lower_netns is None:
            return "a veth device whose peer is in this network namespace"
        number = namespaces.require_number(net, {"NETNSA_FD": pod.file})
        if link.lower_netns != number:
            return "a veth device whose peer is in another network namespace"
        peer = net.link_at(link.lower, netnsid=number)
        if peer is None or peer.name != self.ifname:
            return f"a veth device whose peer is {'missing' if peer is None else peer.name}"
        return None

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        with self.opened() as pod:
            created = self._create_new(net, pod)
            if created is not None:
                return (DeleteLink(self.name, index=created.index),)
            link = net.link(self.name)
            found = None if link is None else self._mismatch(net, link, pod)
            if link is not None and found is None:
                if link.group == CREATING_GROUP:
                    net.mark(link)
                self._tag(net, link)
                self._mark_peer(pod)
                undo = self._ipv6_off.apply(net)
                return (*self._settings.apply(net), *undo)
            if link is not None:
                # The VIF is the interface of another name in the same pod.
                number = namespaces.require_number(net, {"NETNSA_FD": pod.file})
                is_pods = link.kind == "veth" and link.lower_netns not in (None, number)
                if not is_pods or not link.is_managed:
                    reason = f"{self.name} is {found}, not {self._expected}"
                    raise OSError(errno.EEXIST, reason)
                return self._replace(net, pod, link)
            return (DeleteLink(self.name, index=self._create(net, pod).index),)

    def _replace(self, net: Netlink, pod: PodNamespace, link: Link) -> tuple[KernelStep, ...]:
        """Create the pair in place of the pair into an earlier sandbox of the pod.

        The earlier sandbox is unknown, so the deletion cannot be undone, and an error says so.
        """
        self._require_free_in(pod)
        deleted = Irreversible(self.name, "the veth pair into an earlier sandbox, deleted")
        net.delete(link)
        try:
            created = self._create(net, pod)
        except OSError as error:
            roll_back_partial(net, (deleted,), error)
            raise
        return (DeleteLink(self.name, index=created.index), deleted)

    def _create_new(self, net: Netlink, pod: PodNamespace) -> Link | None:
        """Create the pair; return None if a device has the name of the device on the host.

        The kernel decides, without a read before. An alternative name counts as a name.
        """
        try:
            return self._create(net, pod)
        except OSError as error:
            if error.errno != errno.EEXIST or net.resolve(self.name) is None:
                raise
            return None

    def _require_free_in(self, pod: PodNamespace) -> None:
        """Raise OSError with EEXIST if the pod has a device with the name."""
        with pod.entered() as inside:
            other = inside.resolve(self.ifname)
        if other is not None:
            whose = "" if other.name == self.ifname else f" as an alternative name of {other.name}"
            text = f"the pod {self.netns} has a device {self.ifname} already{whose}"
            raise OSError(errno.EEXIST, text)

    def _create(self, net: Netlink, pod: PodNamespace) -> Link:
        settings: dict[str, Any] = {} if self.mtu is None else {"IFLA_MTU": self.mtu}
        peer = {
            "IFLA_IFNAME": self.ifname,
            "IFLA_NET_NS_FD": pod.file,
            "IFLA_GROUP": CREATING_GROUP,
            **settings,
        }
        if self.mac is not None:
            peer["IFLA_ADDRESS"] = self.mac
        if self.master:
            settings["IFLA_MASTER"] = net.require(self.master).index
        try:
            net.add_elsewhere(self.name, "veth", {"VETH_INFO_PEER": peer}, **settings)
        except OSError as error:
            if error.errno == errno.EEXIST:
                net.require_free(self.name)
                self._require_free_in(pod)
            raise
        link = net.require(self.name)
        try:
            self._ipv6_off.apply(net)
            net.mark(link, up=True)
            self._add_tag(net, link)
            self._mark_peer(pod)
        except OSError:
            net.delete(link)
            raise
        return link

    def _tag(self, net: Netlink, link: Link) -> None:
        """Note the sandbox in an alternative name of the device on the host."""
        if self._sandbox_tag not in read_alternative_names(net, link):
            self._add_tag(net, link)

    def _add_tag(self, net: Netlink, link: Link) -> None:
        # Linux before 5.5 has no alternative names.
        with ignoring(errno.EEXIST, errno.EOPNOTSUPP):
            add_alternative_name(net, link, self._sandbox_tag)

    @property
    def _sandbox_tag(self) -> str:
        return sandbox_tag(self.netns, self.netns_id, self.ifname)

    def _mark_peer(self, pod: PodNamespace) -> None:
        """Mark the device in the pod, unless marked."""
        with pod.entered() as inside:
            # The kernel has created the peer without a message of this socket.
            inside.invalidate_cache()
            peer = inside.require(self.ifname)
            if peer.group == CREATING_GROUP:
                inside.mark(peer)
