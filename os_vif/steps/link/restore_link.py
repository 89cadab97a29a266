# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The undo step for settings of a deleted device, and the undo steps for its IP configuration."""

from __future__ import annotations

import dataclasses
import os
from shlex import quote
from typing import TYPE_CHECKING, Any, Self

from os_vif.host.netlink import alternative_names, link_settings, uapi
from os_vif.host.netlink.codec import Attributes
from os_vif.host.netlink.messages import LINK
from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.host.state import bridge_user_record
from os_vif.steps import validate
from os_vif.steps.ip import addresses, device_routes, neighbours, routes
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from os_vif.host.netlink.link_settings import LinkSettings
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Digits of packed settings. A bridge has the most: about 100 attributes.
_MAX_DIGITS = 8192
#: Alternative names of a device, and bytes of a name (``ALTIFNAMSIZ`` of linux/if.h).
_MAX_NAMES, _MAX_NAME = 64, 127
#: Gateways of pods in the record of a bridge.
_MAX_GATEWAYS = 64
#: Settings of a kind of device that a user may change after creation. Values of ``IFLA_INFO_DATA``
#: that the kernel computes, such as timers, are left out.
_SETTINGS = {
    "bridge": (
        "FORWARD_DELAY", "HELLO_TIME", "MAX_AGE", "AGEING_TIME", "STP_STATE", "PRIORITY",
        "VLAN_FILTERING", "VLAN_PROTOCOL", "GROUP_FWD_MASK", "VLAN_DEFAULT_PVID",
        "VLAN_STATS_ENABLED", "VLAN_STATS_PER_PORT", "NF_CALL_IPTABLES", "NF_CALL_IP6TABLES",
        "NF_CALL_ARPTABLES", "MCAST_ROUTER", "MCAST_SNOOPING", "MCAST_QUERY_USE_IFADDR",
        "MCAST_QUERIER", "MCAST_HASH_MAX", "MCAST_LAST_MEMBER_CNT", "MCAST_STARTUP_QUERY_CNT",
        "MCAST_LAST_MEMBER_INTVL", "MCAST_MEMBERSHIP_INTVL", "MCAST_QUERIER_INTVL",
        "MCAST_QUERY_INTVL", "MCAST_QUERY_RESPONSE_INTVL", "MCAST_STARTUP_QUERY_INTVL",
        "MCAST_STATS_ENABLED", "MCAST_IGMP_VERSION", "MCAST_MLD_VERSION",
    ),
    "vlan": ("FLAGS",),
    "macvlan": ("FLAGS",),
    "bond": (
        "UPDELAY", "DOWNDELAY", "PRIMARY_RESELECT", "FAIL_OVER_MAC", "XMIT_HASH_POLICY",
        "RESEND_IGMP", "NUM_PEER_NOTIF", "ALL_SLAVES_ACTIVE", "MIN_LINKS", "LP_INTERVAL",
        "PACKETS_PER_SLAVE", "AD_LACP_RATE", "AD_SELECT",
    ),
}  # fmt: skip
#: Prefixes of the names of attributes, by kind.
_PREFIXES = {"bridge": "IFLA_BR_", "macvtap": "IFLA_MACVLAN_"}
#: Kinds of a master that takes all packets of the ports.
_SWITCHES = ("bridge", "openvswitch")
#: Settings of a bridge port (``IFLA_BRPORT_*``), likewise.
_PORT_SETTINGS = (
    "PRIORITY", "COST", "MODE", "GUARD", "PROTECT", "FAST_LEAVE", "LEARNING", "UNICAST_FLOOD",
    "PROXYARP", "PROXYARP_WIFI", "MCAST_TO_UCAST", "MCAST_FLOOD", "BCAST_FLOOD",
    "NEIGH_SUPPRESS", "ISOLATED", "GROUP_FWD_MASK", "MULTICAST_ROUTER", "VLAN_TUNNEL", "LOCKED",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RestoreLink(NamedStep, KernelStep):
    """A device that was created again has settings of the deleted device. Only undoes.

    Settings of another kernel, or of another kind of device, are left out.

    :raises OSError: with ENODEV if the device is missing; with the kernel's errno if the kernel
        refuses a value.
    """

    #: ``IFF_*`` of linux/if.h, of which ARP, multicast and all-multicast count; None leaves them.
    flags: int | None = None
    #: All alternative names (``altname``); None leaves the names unchanged.
    alternative_names: tuple[str, ...] | None = None
    #: Packed kernel parameters, settings of the kind, and settings of the bridge port, as
    #: hexadecimal digits; see ``os_vif.host.netlink.link_settings``.
    ipv4: str = ""
    ipv6: str = ""
    data: str = ""
    port: str = ""
    #: The addresses of a bridge of os-vif, with prefix lengths, that keep no bridge: the gateways
    #: of pods in the record of the bridge. None leaves the record unchanged.
    gateways: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("alternative_names", "gateways"):
            if isinstance(value := getattr(self, field), list):
                object.__setattr__(self, field, tuple(value))
        super().__post_init__()

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "flags", 0, 2**32 - 1, optional=True)
        names = self.alternative_names
        if names is not None and not (
            isinstance(names, tuple)
            and len(names) <= _MAX_NAMES
            and all(isinstance(n, str) and 0 < len(os.fsencode(n)) <= _MAX_NAME for n in names)
        ):
            expected = f"at most {_MAX_NAMES} names of 1 to {_MAX_NAME} bytes, or None"
            validate.reject(self, "alternative_names", expected)
        if self.gateways is not None:
            validate.interface_addresses(self, "gateways", _MAX_GATEWAYS)
        for field in ("ipv4", "ipv6", "data", "port"):
            validate.packed(self, field, _MAX_DIGITS)

    def commands(self) -> tuple[str, ...]:
        names = self.alternative_names or ()
        added = [f"ip link property add dev {quote(self.name)} altname {quote(n)}" for n in names]
        return (*added, f"# {self.name}: sysctls, flags and bridge settings as before")

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return ()

    def holds(self, net: Netlink) -> bool:
        return False

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.require(self.name)
        found = link_settings.read_settings(net, link)
        changed = [
            self._restore_names(net, link, found),
            self._restore_flags(net, link, found),
            self._restore_attributes(net, link, found),
            self._restore_parameters("ipv4", self.ipv4, found.ipv4),
            self._restore_parameters("ipv6", self.ipv6, found.ipv6),
        ]
        net.invalidate_cache()
        before = self._restore_gateways(net, link)
        if before is None and not any(changed):
            return ()
        return (dataclasses.replace(_of_settings(self.name, found), gateways=before),)

    def _restore_names(self, net: Netlink, link: Link, found: LinkSettings) -> bool:
        if self.alternative_names is None:
            return False
        before, after = set(found.alternative_names), set(self.alternative_names)
        for name in sorted(before - after):
            alternative_names.delete_alternative_name(net, link, name)
        for name in self.alternative_names:
            if name not in before:
                alternative_names.add_alternative_name(net, link, name)
        return before != after

    def _restore_flags(self, net: Netlink, link: Link, found: LinkSettings) -> bool:
        kept = uapi.IFF_NOARP | uapi.IFF_ALLMULTI | uapi.IFF_MULTICAST
        change = 0 if self.flags is None else (self.flags ^ found.flags) & kept
        if change:
            net.change(link, {}, self.flags or 0, change)
        return bool(change)

    def _restore_attributes(self, net: Netlink, link: Link, found: LinkSettings) -> bool:
        """Set differing settings of the kind of device and of the port, by a message each."""
        kind = link.kind or ""
        own = _differing({"IFLA_INFO_KIND": kind}, "IFLA_INFO_DATA", self.data, found.data)
        port = {}
        if found.port_kind == "bridge":
            slave = {"IFLA_INFO_SLAVE_KIND": "bridge"}
            port = _differing(slave, "IFLA_INFO_SLAVE_DATA", self.port, found.port)
        for info in (own, port):
            if info:
                net.change(link, {"IFLA_LINKINFO": info})
        return bool(own or port)

    def _restore_parameters(self, family: str, wanted: str, found: str) -> bool:
        """Write the differing kernel parameters to procfs."""
        if not wanted:
            return False
        before = link_settings.parameters_by_name(family, found)
        after = link_settings.parameters_by_name(family, wanted)
        differing = {k: v for k, v in after.items() if before.get(k, v) != v}
        for key, value in differing.items():
            path = f"/proc/sys/net/{family}/conf/{self.name}/{key}"
            try:
                file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(file, str(value).encode())
                finally:
                    os.close(file)
            except OSError as error:
                raise OSError(error.errno, f"{path}: {error.strerror}") from error
        return bool(differing)

    def _restore_gateways(self, net: Netlink, link: Link) -> tuple[str, ...] | None:
        """Write the gateways to the record of the bridge; return those before a change."""
        users = bridge_user_record.read_users(net, link)
        if self.gateways is None or users.gateways == frozenset(self.gateways):
            return None
        restored = dataclasses.replace(users, gateways=frozenset(self.gateways))
        if restored == bridge_user_record.Users():
            bridge_user_record.delete_record(net, self.name)
        else:
            bridge_user_record.write_users(net, link, restored)
        return tuple(sorted(users.gateways))

    @classmethod
    def before_up(cls, name: str, found: LinkSettings) -> Self:
        """Return the step for the settings that the device needs before the device is up."""
        return cls(
            name,
            flags=found.flags,
            alternative_names=found.alternative_names or None,
            ipv4=found.ipv4,
            ipv6=found.ipv6,
            data=found.data,
        )


def _of_settings(name: str, found: LinkSettings) -> RestoreLink:
    """Return the step that restores all settings of a device."""
    return RestoreLink(
        name,
        flags=found.flags,
        alternative_names=found.alternative_names,
        ipv4=found.ipv4,
        ipv6=found.ipv6,
        data=found.data,
        port=found.port if found.port_kind == "bridge" else "",
    )


def _differing(kind: dict[str, str], name: str, wanted: str, found: str) -> dict[str, Any]:
    """Return ``IFLA_LINKINFO`` with the settings of which the present value differs, or nothing.

    :param kind: the attribute with the kind of the device, or of the master.
    :param name: the attribute with the settings.
    :param wanted: the packed settings to restore.
    :param found: the packed present settings.
    """
    (value,) = kind.values()
    if name == "IFLA_INFO_DATA":
        prefix = _PREFIXES.get(value, f"IFLA_{value.upper()}_")
        names = [prefix + n for n in _SETTINGS.get("macvlan" if value == "macvtap" else value, ())]
    else:
        names = [f"IFLA_BRPORT_{n}" for n in _PORT_SETTINGS]
    if not (names and wanted):
        return {}
    before, after = _unpack(kind, name, found), _unpack(kind, name, wanted)
    changed = {n: after[n] for n in names if n in after and before.get(n) != after[n]}
    if (flags := "IFLA_VLAN_FLAGS") in changed and flags in before:
        # The mask of a reply has bits that the kernel refuses.
        mask = before[flags]["flags"] ^ after[flags]["flags"]
        changed[flags] = {"flags": after[flags]["flags"], "mask": mask}
    return {**kind, name: changed} if changed else {}


def _unpack(kind: dict[str, str], name: str, packed: str) -> Attributes:
    """Return packed settings by the names of pyroute2."""
    body = LINK.pack({"IFLA_LINKINFO": {**kind, name: bytes.fromhex(packed)}})
    unpacked: Attributes = LINK.attributes(body)["IFLA_LINKINFO"][name]
    return unpacked


def present_settings(
    link: Link, found: LinkSettings, *, address: str | None = None, master: str | None = None
) -> SetLink:
    """Return the step that gives a recreated device the present settings of a device.

    The step that creates the device sets the mark of os-vif.
    """
    return SetLink(
        link.name,
        mtu=link.mtu,
        up=link.up,
        address=address,
        promiscuous=link.promiscuous,
        master=master,
        alias=None if link.is_managed else link.alias or "",
        group=None if link.group == CREATING_GROUP else link.group,
        txqueuelen=found.txqueuelen,
    )


def after_up(net: Netlink, link: Link, found: LinkSettings) -> Iterator[KernelStep]:
    """Yield the undo steps that need the recreated device to be up, and a port of its master.

    The kernel gives addresses to a device that is down, too, and drops the routes.

    :param found: the settings of the device.
    """
    has_port = found.port_kind == "bridge" and found.port
    mtu = link_settings.parameters_by_name("ipv6", found.ipv6).get("mtu", link.mtu)
    if has_port or mtu != link.mtu:
        # The IPv6 MTU follows the MTU of the device.
        yield RestoreLink(link.name, ipv6=found.ipv6, port=found.port if has_port else "")
    yield from ip_configuration(net, link)


def ip_configuration(net: Netlink, link: Link) -> Iterator[KernelStep]:
    """Yield the undo steps for the addresses, routes and neighbours of a device.

    A route or a neighbour that no step expresses is reported as a change that is not undone. The
    host sends no packets through a port without addresses, so such a port is read no further.
    """
    held = addresses.read_addresses(net, link)
    yield from held
    master = net.link_at(link.master) if link.master else None
    if not held and master is not None and master.kind in _SWITCHES:
        return
    if link.up:
        found = device_routes.dump_given_routes(net, link, addresses.connected_networks(held))
        yield from _route_steps(link, found)
    for neighbour, unknown in neighbours.dump_neighbours(net, link):
        if unknown:
            text = f"the neighbour {neighbour.neighbour} with {unknown}, deleted"
            yield Irreversible(link.name, text)
        else:
            yield neighbour


def _route_steps(
    link: Link, found: Iterable[tuple[routes.EnsureRoute, str]]
) -> Iterator[KernelStep]:
    """Yield the steps for routes. Routes without a gateway lead to gateways, so they come first."""
    for route, unknown in sorted(found, key=lambda pair: pair[0].gateway is not None):
        if unknown:
            text = f"the route {route.destination} with {unknown}, deleted"
            yield Irreversible(link.name, text)
        else:
            yield dataclasses.replace(route, append=True)
