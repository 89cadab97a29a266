# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for kernel parameters of a device."""

from __future__ import annotations

import abc
import dataclasses
import errno
import os
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.steps import validate
from os_vif.steps.ip import addresses
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

#: The parameters of :class:`SetSysctl`, and the family of each parameter.
#: Source: Documentation/networking/ip-sysctl.rst of the kernel.
_FAMILY = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}


#: Parameters that a bridge inherits from the uplink, by family: router advertisements, forwarding
#: and answers of the host. Forwarding comes after ``accept_ra``: if the host forwards, the kernel
#: drops routes from router advertisements unless ``accept_ra`` is 2.
INHERITED = {
    "ipv6": (
        "accept_ra",
        "accept_ra_defrtr",
        "ra_defrtr_metric",
        "accept_ra_from_local",
        "accept_ra_min_hop_limit",
        "accept_ra_min_lft",
        "accept_ra_mtu",
        "accept_ra_pinfo",
        "accept_ra_rt_info_min_plen",
        "accept_ra_rt_info_max_plen",
        "accept_ra_rtr_pref",
        "autoconf",
        "use_tempaddr",
        "temp_valid_lft",
        "temp_prefered_lft",
        "hop_limit",
        "forwarding",
        "proxy_ndp",
        "accept_redirects",
        "accept_source_route",
        "router_solicitations",
        "ndisc_notify",
        "keep_addr_on_down",
        "ignore_routes_with_linkdown",
        "drop_unsolicited_na",
        "drop_unicast_in_l2_multicast",
        "seg6_enabled",
    ),
    "ipv4": (
        "forwarding",
        "rp_filter",
        "accept_local",
        "accept_redirects",
        "accept_source_route",
        "secure_redirects",
        "send_redirects",
        "shared_media",
        "route_localnet",
        "proxy_arp",
        "proxy_arp_pvlan",
        "src_valid_mark",
        "bc_forwarding",
        "log_martians",
        "arp_accept",
        "arp_filter",
        "arp_notify",
        "promote_secondaries",
        "ignore_routes_with_linkdown",
        "force_igmp_version",
        "disable_policy",
        "disable_xfrm",
        "drop_gratuitous_arp",
        "drop_unicast_in_l2_multicast",
    ),
}


@dataclasses.dataclass(frozen=True)
class _Parameter(NamedStep, KernelStep):
    """Base class of a step for a kernel parameter of a device."""

    @property
    @abc.abstractmethod
    def setting(self) -> tuple[str, str, int]:
        """Family, key and value of the parameter."""

    @property
    def path(self) -> str:
        """Path of the parameter in procfs."""
        family, key, _ = self.setting
        return f"/proc/sys/net/{family}/conf/{self.name}/{key}"

    def commands(self) -> tuple[str, ...]:
        # sysctl(8) accepts slashes as separators; the name of a device may have dots: eth0.100.
        family, key, value = self.setting
        return (f"sysctl -w {quote(f'net/{family}/conf/{self.name}/{key}={value}')}",)

    def _read_value(self) -> int | None:
        return _read_value(self.path)

    def _write(self) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            value = self.setting[2]
            text = str(value).encode()
            if os.write(file, text) != len(text):
                raise OSError(errno.EIO, f"the kernel accepted only a part of {value}")
        finally:
            os.close(file)

    def has_value(self) -> bool:
        """Return whether the parameter has the value, or the kernel has no such parameter."""
        return self._read_value() in (None, self.setting[2])

    def _is_exempt(self, net: Netlink) -> bool:
        """Return whether the parameter of the device stays unchanged."""
        return False

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self.has_value() or self._is_exempt(net):
            return ()
        _, key, value = self.setting
        return (self.difference(key, self._read_value(), value),)

    @abc.abstractmethod
    def _with_value(self, value: int) -> KernelStep:
        """Return the step for setting another value."""

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        before = self._read_value()
        if before is None or before == self.setting[2] or self._is_exempt(net):
            return ()
        # The kernel changes addresses and routes, but no setting of a link.
        net.discard_results()
        try:
            self._write()
        except FileNotFoundError:
            raise OSError(errno.ENODEV, f"the device {self.name} was deleted meanwhile") from None
        return (self._with_value(before),)


def _read_value(path: str) -> int | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return int(os.read(file, 64))
    finally:
        os.close(file)


def read_parameter(device: str, family: str, key: str) -> int | None:
    """Return the value of a parameter of a device; None if the kernel has no such parameter.

    :param device: name of the device, or ``default`` for the value of new devices.
    """
    return _read_value(f"/proc/sys/net/{family}/conf/{device}/{key}")


@dataclasses.dataclass(frozen=True)
class SetInheritedSysctl(_Parameter):
    """A kernel parameter of a bridge has the value of the parameter of the uplink.

    The step holds if the kernel has no such parameter.

    :raises OSError: with ENODEV if the device was deleted meanwhile.

    Equivalent to: ``sysctl -w net/FAMILY/conf/DEVICE/KEY=VALUE``
    """

    #: ``ipv4`` or ``ipv6``.
    family: str
    #: Name of the parameter, a key of the family in ``INHERITED``.
    parameter: str
    #: Value of the parameter.
    value: int

    @property
    def setting(self) -> tuple[str, str, int]:
        return self.family, self.parameter, self.value

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.one_of(self, "family", INHERITED, " or ".join(INHERITED))
        keys = INHERITED[self.family]
        validate.one_of(self, "parameter", keys, f"one of {', '.join(keys)}")
        validate.integer(self, "value", -(2**31), 2**31 - 1)

    def _with_value(self, value: int) -> KernelStep:
        return dataclasses.replace(self, value=value)


@dataclasses.dataclass(frozen=True)
class SetSysctl(_Parameter):
    """A kernel parameter of a device has a value. Every plug enforces the value.

    The step holds if the kernel has no such parameter, such as an IPv6 parameter without IPv6. With
    *only_managed*, IPv6 stays on for a device with an IPv6 address, route or neighbour from a user.

    :raises OSError: with ENODEV if the device was deleted meanwhile.

    Equivalent to: ``sysctl -w net/FAMILY/conf/DEVICE/KEY=VALUE``
    """

    #: Name of the parameter: ``disable_ipv6``, ``arp_ignore`` or ``arp_announce``.
    key: str
    #: Value of the parameter.
    value: int
    #: Leave a device of another creator unchanged: the host may have addresses on the device.
    only_managed: bool = False

    @classmethod
    def hardening(cls, device: str, *, only_managed: bool) -> tuple[SetSysctl, ...]:
        """Return the steps that make the host unreachable through a device.

        The device gets no IPv6 address, and answers no ARP request for addresses of other devices.
        """
        return (
            cls(device, "disable_ipv6", 1, only_managed),
            cls(device, "arp_ignore", 1, only_managed),
            cls(device, "arp_announce", 2, only_managed),
        )

    @property
    def setting(self) -> tuple[str, str, int]:
        return _FAMILY[self.key], self.key, self.value

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.one_of(self, "key", _FAMILY, f"one of {', '.join(_FAMILY)}")
        # An undo step restores any number that the kernel had.
        validate.integer(self, "value", -(2**31), 2**31 - 1)
        validate.boolean(self, "only_managed")

    def _is_exempt(self, net: Netlink) -> bool:
        if not self.only_managed:
            return False
        link = net.link(self.name)
        if link is None:
            return False
        if not link.is_managed:
            return True
        # The kernel deletes the IPv6 addresses of a device when IPv6 is turned off.
        off = self.key == "disable_ipv6" and self.value == 1
        return off and addresses.uses_ipv6(net, link)

    def _with_value(self, value: int) -> KernelStep:
        return SetSysctl(self.name, self.key, value)
