# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for IP addresses of devices, and functions for reading the addresses of a device."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import ipaddress
import socket
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import ADDRESS
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.steps import validate
from os_vif.steps.ip import device_routes, neighbours
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

_FOREVER = 2**32 - 1
_READER = ADDRESS.reader(
    "IFA_ADDRESS",
    "IFA_LOCAL",
    "IFA_LABEL",
    "IFA_BROADCAST",
    "IFA_CACHEINFO",
    "IFA_FLAGS",
    "IFA_RT_PRIORITY",
    "IFA_PROTO",
)


@functools.cache
def _scopes() -> dict[int, str]:
    """Return the scopes by number, as ip-address(8) names the scopes."""
    return uapi.numbered(
        RT_SCOPE_UNIVERSE="global",
        RT_SCOPE_SITE="site",
        RT_SCOPE_LINK="link",
        RT_SCOPE_HOST="host",
    )


@functools.cache
def _given_flags() -> dict[int, str]:
    """Return the flags that a user may set, by number, as ip-address(8) names the flags."""
    return uapi.numbered(
        IFA_F_HOMEADDRESS="home",
        IFA_F_MANAGETEMPADDR="mngtmpaddr",
        IFA_F_NOPREFIXROUTE="noprefixroute",
        # The host joins the multicast group of the address.
        IFA_F_MCAUTOJOIN="autojoin",
    )


@dataclasses.dataclass(frozen=True)
class _Address(NamedStep, KernelStep):
    #: Address with prefix length, such as ``192.0.2.1/24``.
    address: str
    #: Address of the remote end of a point-to-point link, with prefix length; None for a network.
    peer: str | None = None

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.interface_address(self, "address")
        validate.interface_address(self, "peer", optional=True)
        validate.same_family(self, "peer", "address")

    @property
    def _text(self) -> str:
        if self.peer is None:
            return self.address
        return f"{self.address.partition('/')[0]} peer {quote(self.peer)}"

    @property
    def key(self) -> tuple[str, str | None]:
        """Identification of the address among the addresses of a device."""
        return self.address, self.peer

    def _find(self, net: Netlink, link: Link) -> EnsureAddress | None:
        return address_map(net, link).get(self.key)

    def _attributes(self) -> dict[str, Any]:
        local = self.address.partition("/")[0]
        other = local if self.peer is None else self.peer.partition("/")[0]
        if ":" in self.address and self.peer is None:
            return {"IFA_ADDRESS": local, "IFA_LOCAL": local}
        return {"IFA_LOCAL": local, "IFA_ADDRESS": other}

    def _send(
        self,
        net: Netlink,
        request: tuple[int, int],
        link: Link,
        scope: int = 0,
        **more: Any,
    ) -> None:
        """Send a request for the address.

        :param request: type and flags of the message.
        """
        kind, flags = request
        body = ADDRESS.pack(
            self._attributes() | more,
            family=socket.AF_INET6 if ":" in self.address else socket.AF_INET,
            prefixlen=int((self.peer or self.address).rpartition("/")[2]),
            scope=scope,
            index=link.index,
        )
        net.request(kind, uapi.NLM_F_ACK | flags, body, keep_cache=True)
        # The kernel creates and deletes routes with an address.
        net.drop_cached("routes")


@dataclasses.dataclass(frozen=True)
class EnsureAddress(_Address):
    """A device has an IP address.

    The settings are given at creation only: an existing address keeps the present settings. An
    IPv6 address is usable at once, without duplicate address detection.

    :raises OSError: with ENODEV if the device is missing.

    Equivalent to: ``ip address add ADDRESS dev NAME``
    """

    #: Broadcast address of IPv4; None is no broadcast address.
    broadcast: str | None = None
    #: Scope (``RT_SCOPE_*``); 0 is global.
    scope: int = 0
    #: Label of an IPv4 address (``IFA_LABEL``); None is the name of the device.
    label: str | None = None
    #: Metric of the route that the kernel creates with the address; None is the kernel's default.
    metric: int | None = None
    #: Flags (``IFA_F_*`` of linux/if_addr.h) that a user may set.
    flags: int = 0
    #: Valid lifetime in seconds; None is no end.
    valid: int | None = None
    #: Preferred lifetime in seconds; None is no end.
    preferred: int | None = None
    #: Origin of the address (``IFAPROT_*``); None is unspecified.
    protocol: int | None = None

    def validate(self) -> None:
        super().validate()
        validate.ip_address(self, "broadcast", optional=True)
        validate.same_family(self, "broadcast", "address")
        validate.integer(self, "scope", 0, 254)
        validate.device_name(self, "label", optional=True, colon=True)
        validate.integer(self, "metric", 1, 2**32 - 1, optional=True)
        validate.flags(self, "flags", sum(_given_flags()))
        validate.integer(self, "valid", 0, _FOREVER - 1, optional=True)
        validate.integer(self, "preferred", 0, _FOREVER - 1, optional=True)
        validate.integer(self, "protocol", 0, 255, optional=True)

    def commands(self) -> tuple[str, ...]:
        words = [self._text]
        words += [f"broadcast {self.broadcast}"] if self.broadcast else []
        words += [f"label {quote(self.label)}"] if self.label else []
        words += [f"scope {_scopes().get(self.scope, self.scope)}"] if self.scope else []
        words += [f"metric {self.metric}"] if self.metric else []
        words += [] if self.valid is None else [f"valid_lft {self.valid}"]
        words += [] if self.preferred is None else [f"preferred_lft {self.preferred}"]
        words += ["nodad"] if ":" in self.address else []
        words += [word for flag, word in _given_flags().items() if self.flags & flag]
        return (f"ip address add {' '.join(words)} dev {quote(self.name)}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is not None and self._find(net, link) is not None:
            return ()
        return (self.difference(f"address {self.address}", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.require(self.name)
        known = _known_addresses(net, link)
        if known is not None and self.key in known:
            return ()
        times = None
        if self.valid is not None or self.preferred is not None:
            valid = _FOREVER if self.valid is None else self.valid
            preferred = _FOREVER if self.preferred is None else self.preferred
            times = {"ifa_preferred": preferred, "ifa_valid": valid}
        with ignoring(errno.EEXIST):
            self._send(
                net,
                (uapi.RTM_NEWADDR, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL),
                link,
                self.scope,
                IFA_FLAGS=self.flags | (uapi.IFA_F_NODAD if ":" in self.address else 0),
                IFA_BROADCAST=self.broadcast,
                IFA_LABEL=self.label,
                IFA_RT_PRIORITY=self.metric,
                IFA_PROTO=self.protocol,
                IFA_CACHEINFO=times,
            )
            if known is not None:
                known[self.key] = self
            return (DeleteAddress(self.name, self.address, self.peer),)
        # The device has the address, or another process added the address first.
        return ()


@dataclasses.dataclass(frozen=True)
class DeleteAddress(_Address):
    """A device does not have an IP address.

    Equivalent to: ``ip address del ADDRESS dev NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"ip address del {self._text} dev {quote(self.name)}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None or self._find(net, link) is None:
            return ()
        return (self.difference(f"address {self.address}", "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.link(self.name)
        found = None if link is None else self._find(net, link)
        if link is None or found is None:
            return ()
        try:
            with ignoring(errno.EADDRNOTAVAIL):
                with self._keeping_ipv4_state(net, link):
                    self._send(net, (uapi.RTM_DELADDR, 0), link)
                return (found,)
        finally:
            address_map(net, link).pop(self.key, None)
        # The kernel deleted the address together with the first address of the network.
        return ()

    @contextlib.contextmanager
    def _keeping_ipv4_state(self, net: Netlink, link: Link) -> Iterator[None]:
        """Restore the routes and neighbours that the kernel deletes with the last IPv4 address.

        The kernel deletes all IPv4 routes and neighbours of the device (``fib_disable_ip``), also
        those older than the address.
        """
        left = [a for a in address_map(net, link).values() if ":" not in a.address]
        if ":" in self.address or len(left) > 1:
            yield
            return
        with (
            neighbours.restoring_neighbours(net, link),
            device_routes.restoring_routes(net, link, connected_networks(left)),
        ):
            yield


def _known_addresses(
    net: Netlink, link: Link
) -> dict[tuple[str, str | None], EnsureAddress] | None:
    """Return the addresses of a device by key, if read before; None otherwise."""
    found: dict[tuple[str, str | None], EnsureAddress] | None
    found = net.cached_result(("addresses", link.index))
    return found


def address_map(net: Netlink, link: Link) -> dict[tuple[str, str | None], EnsureAddress]:
    """Return the addresses of a device by key. A cached *net* reads the addresses once."""
    found: dict[tuple[str, str | None], EnsureAddress] = net.read_cached(
        ("addresses", link.index),
        lambda: {address.key: address for address in read_addresses(net, link)},
    )
    return found


def read_addresses(net: Netlink, link: Link) -> list[EnsureAddress]:
    """Return the addresses from users and programs, in the order in which to add them.

    The kernel lists IPv4 addresses in this order, and IPv6 addresses latest first; among equal
    candidates, the first address on the list becomes the source of packets. Left out are addresses
    of the kernel: IPv6 link-local addresses, and temporary addresses (RFC 8981). A device that was
    deleted has no addresses.
    """
    body = ADDRESS.pack({}, index=link.index)
    found = []
    with ignoring(errno.ENODEV):
        found = [
            _parse_address(link, data)
            for data in net.request(uapi.RTM_GETADDR, uapi.NLM_F_DUMP, body)
        ]
    given = [address for address in found if address is not None]
    six = [address for address in given if ":" in address.address]
    return [address for address in given if ":" not in address.address] + six[::-1]


def _parse_address(link: Link, data: bytes) -> EnsureAddress | None:
    # Most addresses are link-local, so the header decides before the attributes are read.
    family, length, header_flags, scope, _ = ADDRESS.values(data)
    six = family == socket.AF_INET6
    if family not in (socket.AF_INET, socket.AF_INET6) or (six and scope == uapi.RT_SCOPE_LINK):
        return None
    get = _READER.read(data).get
    flags = get("IFA_FLAGS", header_flags)
    if six and flags & uapi.IFA_F_TEMPORARY:
        return None
    other: str = get("IFA_ADDRESS", "")
    local: str = get("IFA_LOCAL", other)
    pair = other != local
    times = get("IFA_CACHEINFO", {})
    label = get("IFA_LABEL")
    return EnsureAddress(
        link.name,
        address=f"{local}/{(128 if six else 32) if pair else length}",
        peer=f"{other}/{length}" if pair else None,
        broadcast=get("IFA_BROADCAST"),
        scope=scope,
        label=label if label != link.name else None,
        metric=get("IFA_RT_PRIORITY") or None,
        flags=flags & sum(_given_flags()),
        valid=_seconds(times.get("ifa_valid", _FOREVER)),
        preferred=_seconds(times.get("ifa_preferred", _FOREVER)),
        protocol=get("IFA_PROTO") or None,
    )


def _seconds(time: int) -> int | None:
    return None if time == _FOREVER else time


def connected_networks(held: Iterable[EnsureAddress]) -> set[device_routes.Connected]:
    """Return network and metric of the routes that the kernel creates with addresses."""
    return {
        (
            str(ipaddress.ip_interface(address.peer or address.address).network),
            address.metric or (device_routes.METRIC_6_CONNECTED if ":" in address.address else 0),
        )
        for address in held
        if not address.flags & uapi.IFA_F_NOPREFIXROUTE
    }


def uses_ipv6(net: Netlink, link: Link) -> bool:
    """Return whether a device has an IPv6 address, neighbour or route from a user or a program."""
    return (
        any(":" in address.address for address in read_addresses(net, link))
        or any(":" in address for address, _ in neighbours.neighbour_map(net, link))
        or device_routes.has_given_ipv6(net, link)
    )
