# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for IP routes, and what reads them."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import struct
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.netlink import codec, route_metrics, rtnetlink
from os_vif.steps import validate
from os_vif.steps.ip import ra_routes
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: linux/rtnetlink.h
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_UNICAST, _LOCAL, _BROADCAST, _ANYCAST, _MULTICAST = 1, 2, 3, 4, 5
_TABLE_LOCAL, _TABLE_MAIN, _TABLE_UNSPEC = 255, 254, 0
#: ``RTN_*``: the types that a route through a device may have, as ip-route(8) names them.
TYPES = {
    _UNICAST: "unicast",
    _LOCAL: "local",
    _BROADCAST: "broadcast",
    _ANYCAST: "anycast",
    _MULTICAST: "multicast",
}
#: ``ICMPV6_ROUTER_PREF_*`` of linux/icmpv6.h. None stands for medium, the default.
_HIGH, _LOW = 1, 3
_PREFERENCES = {_HIGH: "high", _LOW: "low"}
_SCOPE_UNIVERSE = 0
_ONLINK = 4
#: What the kernel reports of a route's state, and what is not part of it.
_STATE_FLAGS = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x800 | 0x4000 | 0x8000 | 0x20000000
#: ``struct rtmsg``: family, lengths, tos, table, protocol, scope, type, flags.
HEADER = struct.Struct("=BBBBBBBBI")
#: ``struct rta_cacheinfo``: references, last use, expiry in ticks; error and IPsec's.
_CACHE = struct.Struct("=IIiIIII")
#: The address of the default route, which has a length of 0.
_ANYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - no socket
#: Attributes of a route that a step cannot express: ``RTA_*`` of linux/rtnetlink.h.
_UNKNOWN = {
    2: "a source prefix",
    9: "several next hops",
    11: "realms",
    18: "a gateway of another family",
    22: "an encapsulation",
    30: "a next hop object",
}
#: Attributes that come with one in :data:`_UNKNOWN`: ``RTA_ENCAP_TYPE``.
_WITH_UNKNOWN = 21
#: Seconds by which the time of two readings of one lifetime may differ.
_TOLERANCE = 5


@dataclasses.dataclass(frozen=True)
class _Route(NamedStep, KernelStep):
    #: ``0.0.0.0/0`` or ``::/0`` is the default route.
    destination: str
    gateway: str | None = None
    table: int = _TABLE_MAIN
    #: None is the kernel's default.
    metric: int | None = None
    #: ``RTPROT_*``: who made it; 4 is "static".
    protocol: int = 4
    scope: int = _SCOPE_UNIVERSE
    source: str | None = None
    tos: int = 0
    #: The gateway is reached through the device, whatever the other routes say.
    onlink: bool = False
    #: ``RTN_*``: 1 is unicast; 2 is local, for addresses that are the host's own (AnyIP).
    kind: int = _UNICAST
    #: ``RTA_PREF`` of IPv6 (RFC 4191): 1 is high, 3 is low; None is medium.
    preference: int | None = None
    #: Seconds until an IPv6 route expires; None is never.
    expires: int | None = None
    #: In words of ip-route(8), such as ``mtu lock 1400``; see :mod:`os_vif.host.netlink.route_metrics`.
    metrics: str = ""
    #: The kernel learned it from a router advertisement, and the next one renews it or deletes it.
    #: See :mod:`os_vif.steps.ip.ra_routes`.
    learned: bool = False

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.network(self, "destination")
        validate.ip_address(self, "gateway", optional=True)
        validate.integer(self, "table", 1, 2**32 - 1)
        validate.integer(self, "metric", 0, 2**32 - 1, optional=True)
        validate.integer(self, "protocol", 0, 255)
        validate.integer(self, "scope", 0, 255)
        validate.ip_address(self, "source", optional=True)
        for field in ("gateway", "source"):
            validate.same_family(self, field, "destination")
        validate.integer(self, "tos", 0, 255)
        validate.boolean(self, "onlink")
        validate.integer(self, "kind", _UNICAST, _MULTICAST)
        validate.metrics(self, "metrics")
        self._validate_ipv6()

    def _validate_ipv6(self) -> None:
        """Check what only routes of IPv6 have."""
        validate.integer(self, "preference", _HIGH, _LOW, optional=True)
        validate.integer(self, "expires", 0, 2**32 - 2, optional=True)
        validate.boolean(self, "learned")
        if self.preference not in (None, *_PREFERENCES):
            validate.reject(self, "preference", f"{_HIGH} or {_LOW}")
        for field in ("preference", "expires"):
            if getattr(self, field) is not None and ":" not in self.destination:
                validate.reject(self, field, "none, for a route of IPv4")
        if self.learned and not self._may_be_learned():
            validate.reject(
                self, "learned", "false, for all but a unicast IPv6 route of table 254"
            )

    def _may_be_learned(self) -> bool:
        plain = not (self.tos or self.source or self.onlink or self.scope)
        return ra_routes.is_ipv6(self) and self.kind == _UNICAST and plain

    @property
    def _text(self) -> str:
        default = self.destination in ("0.0.0.0/0", "::/0")
        words = [TYPES[self.kind]] if self.kind != _UNICAST else []
        words += ["default" if default else self.destination]
        words += [f"via {self.gateway}"] if self.gateway else []
        words += [f"dev {quote(self.name)}"]
        words += [f"table {self.table}"] if self.table != _TABLE_MAIN else []
        words += [f"proto {self.protocol}"]
        words += [f"scope {self.scope}"] if self.scope != _SCOPE_UNIVERSE else []
        words += [f"src {self.source}"] if self.source else []
        words += [f"metric {self.metric}"] if self.metric else []
        words += [f"tos {self.tos:#x}"] if self.tos else []
        words += ["onlink"] if self.onlink else []
        words += [self.metrics] if self.metrics else []
        words += [f"expires {self.expires}"] if self.expires is not None else []
        words += [f"pref {_PREFERENCES[self.preference]}"] if self.preference else []
        return " ".join(words)

    @property
    def _command(self) -> str:
        return "ip -6 route" if ":" in self.destination else "ip route"

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from the other routes of a host."""
        return (self.destination, self.table, self.metric, self.tos)

    def _same(self, other: _Route) -> bool:
        """Return whether both are one route; the time goes on between two readings of it."""
        return self._lasting() == other._lasting()

    def _lasting(self) -> dict[str, Any]:
        """Return all that does not change by itself."""
        ignored = ("expires", "protocol", "metrics") if self.learned else ("expires",)
        lasting = {name: value for name, value in self._plain().items() if name not in ignored}
        return lasting | {"is for ever": self.expires is None}

    def _plain(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(_Route)}

    def _there(self, net: Netlink, name: str) -> list[EnsureRoute]:
        """The routes through a device that are like this one."""
        link = net.link(name)
        return [] if link is None else list(self._cached(net, link).get(self.key, ()))

    def _cached(self, net: Netlink, link: Link) -> dict[tuple[Any, ...], list[EnsureRoute]]:
        """Return the routes of this family through a device, by their keys."""

        def read_here() -> dict[tuple[Any, ...], list[EnsureRoute]]:
            found: dict[tuple[Any, ...], list[EnsureRoute]] = {}
            for route, unknown in read_all(link, dump(net, link, self._family)):
                if not unknown:
                    found.setdefault(route.key, []).append(route)
            return found

        found: dict[tuple[Any, ...], list[EnsureRoute]] = net.cached(
            ("routes", link.index, self._family), read_here
        )
        return found

    def _recache(self, net: Netlink, link: Link, *, there: bool) -> None:
        """Update the cached routes after the kernel has added this route, or deleted it."""
        routes = self._cached(net, link).setdefault(self.key, [])
        routes[:] = [route for route in routes if not self._same(route)]
        if there:
            routes.append(EnsureRoute(**self._plain()))

    @property
    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.destination else socket.AF_INET

    def _send(self, net: Netlink, kind: int, flags: int, link: Link) -> None:
        if self.learned and kind == _NEWROUTE:
            ra_routes.add(EnsureRoute(**self._plain()), link.index)
        else:
            self._talk(net, kind, flags, link)
        if self.learned:
            # The kernel chooses the protocol and the metrics.
            net.uncache("routes")
        else:
            self._recache(net, link, there=kind == _NEWROUTE)

    def _talk(self, net: Netlink, kind: int, flags: int, link: Link) -> None:
        destination, _, length = self.destination.partition("/")
        header = HEADER.pack(
            self._family,
            int(length),
            0,
            self.tos,
            self.table if self.table <= _TABLE_LOCAL else _TABLE_UNSPEC,
            self.protocol,
            self.scope,
            self.kind,
            _ONLINK if self.onlink else 0,
        )
        attributes: dict[str, Any] = {
            "RTA_TABLE": self.table,
            "RTA_DST": destination if int(length) else None,
            "RTA_OIF": link.index,
            "RTA_GATEWAY": self.gateway,
            "RTA_PRIORITY": self.metric,
            "RTA_PREFSRC": self.source,
        }
        if kind == _NEWROUTE:
            attributes |= {
                "RTA_METRICS": route_metrics.pack(self.metrics) if self.metrics else None,
                "RTA_PREF": self.preference,
                "RTA_EXPIRES": self.expires,
            }
        body = header + codec.pack(attributes, codec.RTA)
        net.talk(kind, rtnetlink.ACK | flags, body, keep_cache=True)


@dataclasses.dataclass(frozen=True)
class EnsureRoute(_Route):
    """There is a route through a device.

    Equivalent to: ``ip route add ...``, or ``ip route replace ...`` where it takes the place of
    one through another device; then there is no moment without a route; or ``ip route append ...``.
    """

    #: The device whose like route it replaces.
    replaces: str | None = None
    #: There may be a like route through another device; then this one comes after it.
    append: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.replaces) if self.replaces else (self.name,)

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "replaces", optional=True)
        validate.boolean(self, "append")

    def commands(self) -> tuple[str, ...]:
        how = "replace" if self.replaces else "append" if self.append else "add"
        note = "  # and the next router advertisement renews it" if self.learned else ""
        return (f"{self._command} {how} {self._text}{note}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if any(self._same(route) for route in self._there(net, self.name)):
            return ()
        return (self.difference(f"route {self._text}", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if any(self._same(route) for route in self._there(net, self.name)):
            return ()
        link = net.require(self.name)
        replaced = self._there(net, self.replaces) if self.replaces else []
        how = rtnetlink.APPEND if self.append else rtnetlink.EXCL
        self._send(
            net, _NEWROUTE, rtnetlink.CREATE | (rtnetlink.REPLACE if replaced else how), link
        )
        if replaced:
            old = net.link(replaced[0].name)
            if old is not None:
                replaced[0]._recache(net, old, there=False)  # noqa: SLF001 - of this class
            return (dataclasses.replace(replaced[0], replaces=self.name),)
        return (self.deletion(),)

    def deletion(self) -> DeleteRoute:
        return DeleteRoute(**self._plain())


@dataclasses.dataclass(frozen=True)
class DeleteRoute(_Route):
    """There is no such route through a device.

    Equivalent to: ``ip route del ...``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"{self._command} del {self._text}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if not any(self._same(route) for route in self._there(net, self.name)):
            return ()
        return (self.difference(f"route {self._text}", "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = [route for route in self._there(net, self.name) if self._same(route)]
        if not found:
            return ()
        found[0]._send(net, _DELROUTE, 0, net.require(self.name))  # noqa: SLF001 - of this class
        return (dataclasses.replace(found[0], append=True),)


def has_like(net: Netlink, link: Link, wanted: _Route) -> bool:
    """Return whether a device has a route that differs from another in its device at most."""
    plain = dataclasses.replace(wanted, name=link.name)
    return any(_is_like(plain, route) for route in plain._there(net, link.name))  # noqa: SLF001


def _is_like(wanted: _Route, found: EnsureRoute) -> bool:
    """Return whether a route is another one; it expires no later, if it is to be added."""
    if isinstance(wanted, DeleteRoute):
        if wanted.learned:
            # The kernel may have made that of the other device with an address.
            found = dataclasses.replace(found, learned=True)
        return wanted._same(found)  # noqa: SLF001
    last = found.expires
    soon = wanted.expires is None or last is None or wanted.expires <= last + _TOLERANCE
    return wanted._same(found) and soon  # noqa: SLF001


def dump(net: Netlink, link: Link | None, family: int, table: int = 0) -> list[bytes]:
    """Return the kernel's routes of a family; those through a device, and of a table, if given."""
    wanted = {"RTA_OIF": None if link is None else link.index, "RTA_TABLE": table or None}
    body = bytes([family]) + bytes(HEADER.size - 1) + codec.pack(wanted, codec.RTA)
    try:
        return net.talk(_GETROUTE, rtnetlink.DUMP, body)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
            # There is no such table, or the kernel has no IPv6.
            return []
        raise


def read_all(link: Link, dumped: list[bytes]) -> list[tuple[EnsureRoute, str]]:
    """Return routes, each with what a step cannot express of it. Those that expired are left out."""
    found = [read for read in (read(link, data) for data in dumped) if read[0].expires != 0]
    if any(ra_routes.may_be_learned(route) for route, _ in found):
        learned = ra_routes.learned(link.name)
        found = [(_as_learned(route, learned), unknown) for route, unknown in found]
    return found


def _as_learned(
    route: EnsureRoute, learned: set[tuple[str, str | None, int | None]]
) -> EnsureRoute:
    if not ra_routes.is_ipv6(route) or ra_routes.key(route) not in learned:
        return route
    try:
        return dataclasses.replace(route, learned=True)
    except exception.InvalidStep:
        # A user gave it something that no router gives.
        return route


def read(link: Link, data: bytes) -> tuple[EnsureRoute, str]:
    """Return a route, and what a step cannot express of it."""
    header = HEADER.unpack_from(data, codec.HEADER.size)
    family, length, _, tos, table, protocol, scope, kind, flags = header
    numbers: list[int] = []
    body = data[codec.HEADER.size + HEADER.size :]
    get = codec.unpack(body, codec.RTA, numbers).get
    unknown = [_UNKNOWN.get(n, f"attribute {n}") for n in numbers if n != _WITH_UNKNOWN]
    metrics, unknown_metrics = route_metrics.read(get("RTA_METRICS", b""))
    unknown += [unknown_metrics] if unknown_metrics else []
    unknown += [] if kind in TYPES else [f"type {kind}"]
    left = flags & ~(_STATE_FLAGS | _ONLINK)
    unknown += [f"flags {left:#x}"] if left else []
    six = family == socket.AF_INET6
    route = EnsureRoute(
        link.name,
        destination=f"{get('RTA_DST', _ANYWHERE[family])}/{length}",
        gateway=get("RTA_GATEWAY"),
        table=get("RTA_TABLE", table),
        metric=get("RTA_PRIORITY"),
        protocol=protocol,
        scope=scope,
        source=get("RTA_PREFSRC"),
        tos=tos,
        onlink=bool(flags & _ONLINK),
        kind=kind if kind in TYPES else _UNICAST,
        preference=(get("RTA_PREF") or None) if six else None,
        expires=_seconds_left(get("RTA_CACHEINFO")) if six else None,
        metrics=metrics,
    )
    return route, ", ".join(unknown)


def _seconds_left(cache: bytes | None) -> int | None:
    """Return the lifetime of a route in whole seconds, rounded up; None is for ever.

    A route that has expired, but is still there, has 0.
    """
    ticks = _CACHE.unpack_from(cache)[2] if cache and len(cache) >= _CACHE.size else 0
    if ticks == 0:
        return None
    return max(0, -(-ticks // os.sysconf("SC_CLK_TCK")))
