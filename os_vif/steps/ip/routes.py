# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for IP routes, and what reads them."""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
import socket
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.netlink import route_metrics, supplement, uapi
from os_vif.host.netlink.messages import ROUTE
from os_vif.host.netlink.transport import ignoring
from os_vif.steps import validate
from os_vif.steps.ip import ra_routes
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``RTA_PREF`` as ip-route(8) names it. None stands for medium, the default.
_PREFERENCES = {
    supplement.ICMPV6_ROUTER_PREF_HIGH: "high",
    supplement.ICMPV6_ROUTER_PREF_LOW: "low",
}
#: The address of the default route, which has a length of 0.
_ANYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - no socket
#: Attributes of a route that a step cannot express.
_UNKNOWN = {
    "RTA_SRC": "a source prefix",
    "RTA_MULTIPATH": "several next hops",
    "RTA_FLOW": "realms",
    "RTA_VIA": "a gateway of another family",
    "RTA_ENCAP": "an encapsulation",
    "RTA_NH_ID": "a next hop object",
}
#: Comes with an attribute in :data:`_UNKNOWN`.
_WITH_UNKNOWN = "RTA_ENCAP_TYPE"
_READER = ROUTE.reader(
    "RTA_DST",
    "RTA_OIF",
    "RTA_GATEWAY",
    "RTA_PRIORITY",
    "RTA_PREFSRC",
    "RTA_METRICS",
    "RTA_CACHEINFO",
    "RTA_TABLE",
    "RTA_PREF",
    "RTA_EXPIRES",
)
_OUTPUT = ROUTE.reader("RTA_OIF")
#: Seconds by which the time of two readings of one lifetime may differ.
_TOLERANCE = 5


@functools.cache
def _types() -> dict[int, str]:
    """Return the types that a route through a device may have, as ip-route(8) names them."""
    return uapi.numbered(
        RTN_UNICAST="unicast",
        RTN_LOCAL="local",
        RTN_BROADCAST="broadcast",
        RTN_ANYCAST="anycast",
        RTN_MULTICAST="multicast",
    )


@functools.cache
def _state_flags() -> int:
    """Return the flags by which the kernel reports the state of a route."""
    of_next_hop = (
        uapi.RTNH_F_DEAD
        | uapi.RTNH_F_OFFLOAD
        | uapi.RTNH_F_LINKDOWN
        | uapi.RTNH_F_UNRESOLVED
        | uapi.RTNH_F_TRAP
    )
    of_route = uapi.RTM_F_PREFIX | uapi.RTM_F_OFFLOAD | uapi.RTM_F_TRAP | uapi.RTM_F_OFFLOAD_FAILED
    return of_next_hop | of_route


@dataclasses.dataclass(frozen=True)
class _Route(NamedStep, KernelStep):
    #: ``0.0.0.0/0`` or ``::/0`` is the default route.
    destination: str
    gateway: str | None = None
    table: int = supplement.RT_TABLE_MAIN
    #: None is the kernel's default.
    metric: int | None = None
    #: ``RTPROT_*``: who made it; 4 is "static".
    protocol: int = 4
    scope: int = 0
    source: str | None = None
    tos: int = 0
    #: The gateway is reached through the device, whatever the other routes say.
    onlink: bool = False
    #: ``RTN_*``: 1 is unicast; 2 is local, for addresses that are the host's own (AnyIP).
    kind: int = 1
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
        validate.integer(self, "kind", uapi.RTN_UNICAST, uapi.RTN_MULTICAST)
        validate.metrics(self, "metrics")
        self._validate_ipv6()

    def _validate_ipv6(self) -> None:
        """Check what only routes of IPv6 have."""
        validate.integer(self, "preference", *_PREFERENCES, optional=True)
        validate.integer(self, "expires", 0, 2**32 - 2, optional=True)
        validate.boolean(self, "learned")
        if self.preference not in (None, *_PREFERENCES):
            validate.reject(self, "preference", " or ".join(map(str, _PREFERENCES)))
        for field in ("preference", "expires"):
            if getattr(self, field) is not None and ":" not in self.destination:
                validate.reject(self, field, "none, for a route of IPv4")
        if self.learned and not self._may_be_learned():
            validate.reject(
                self, "learned", "false, for all but a unicast IPv6 route of table 254"
            )

    def _may_be_learned(self) -> bool:
        plain = not (self.tos or self.source or self.onlink or self.scope)
        return ra_routes.is_in_main_table(self) and self.kind == uapi.RTN_UNICAST and plain

    @property
    def _text(self) -> str:
        default = self.destination in ("0.0.0.0/0", "::/0")
        words = [_types()[self.kind]] if self.kind != uapi.RTN_UNICAST else []
        words += ["default" if default else self.destination]
        words += [f"via {self.gateway}"] if self.gateway else []
        words += [f"dev {quote(self.name)}"]
        words += [f"table {self.table}"] if self.table != supplement.RT_TABLE_MAIN else []
        words += [f"proto {self.protocol}"]
        words += [f"scope {self.scope}"] if self.scope else []
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

    def _is_same(self, other: _Route) -> bool:
        """Return whether both are one route; the time goes on between two readings of it."""
        return self._timeless_fields() == other._timeless_fields()

    def _timeless_fields(self) -> dict[str, Any]:
        """Return all that does not change by itself."""
        ignored = ("expires", "protocol", "metrics") if self.learned else ("expires",)
        lasting = {
            name: value for name, value in self._route_fields().items() if name not in ignored
        }
        return lasting | {"is for ever": self.expires is None}

    def _route_fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(_Route)}

    def _matching(self, net: Netlink, name: str) -> list[EnsureRoute]:
        """The routes through a device that are like this one."""
        link = net.link(name)
        return [] if link is None else list(self._cached_routes(net, link).get(self.key, ()))

    def _cached_routes(self, net: Netlink, link: Link) -> dict[tuple[Any, ...], list[EnsureRoute]]:
        """Return the routes of this family through a device, by their keys."""

        def read_by_key() -> dict[tuple[Any, ...], list[EnsureRoute]]:
            found: dict[tuple[Any, ...], list[EnsureRoute]] = {}
            for route, unknown in parse_routes(link, dump_routes(net, link, self._family)):
                if not unknown:
                    found.setdefault(route.key, []).append(route)
            return found

        found: dict[tuple[Any, ...], list[EnsureRoute]] = net.read_cached(
            ("routes", link.index, self._family), read_by_key
        )
        return found

    def _update_cache(self, net: Netlink, link: Link, *, there: bool) -> None:
        """Update the cached routes after the kernel has added this route, or deleted it."""
        routes = self._cached_routes(net, link).setdefault(self.key, [])
        routes[:] = [route for route in routes if not self._is_same(route)]
        if there:
            routes.append(EnsureRoute(**self._route_fields()))

    @property
    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.destination else socket.AF_INET

    def _send(self, net: Netlink, kind: int, flags: int, link: Link) -> None:
        if self.learned and kind == uapi.RTM_NEWROUTE:
            ra_routes.add_learned_route(EnsureRoute(**self._route_fields()), link.index)
        else:
            self._send_message(net, kind, flags, link)
        if self.learned:
            # The kernel chooses the protocol and the metrics.
            net.drop_cached("routes")
        else:
            self._update_cache(net, link, there=kind == uapi.RTM_NEWROUTE)

    def _send_message(self, net: Netlink, kind: int, flags: int, link: Link) -> None:
        destination, _, length = self.destination.partition("/")
        attributes: dict[str, Any] = {
            "RTA_TABLE": self.table,
            "RTA_DST": destination if int(length) else None,
            "RTA_OIF": link.index,
            "RTA_GATEWAY": self.gateway,
            "RTA_PRIORITY": self.metric,
            "RTA_PREFSRC": self.source,
        }
        if kind == uapi.RTM_NEWROUTE:
            attributes |= {
                "RTA_METRICS": route_metrics.pack(self.metrics) if self.metrics else None,
                "RTA_PREF": self.preference,
                "RTA_EXPIRES": self.expires,
            }
        body = ROUTE.pack(
            attributes,
            family=self._family,
            dst_len=int(length),
            tos=self.tos,
            table=self.table if self.table <= uapi.RT_TABLE_LOCAL else uapi.RT_TABLE_UNSPEC,
            proto=self.protocol,
            scope=self.scope,
            type=self.kind,
            flags=uapi.RTNH_F_ONLINK if self.onlink else 0,
        )
        net.request(kind, uapi.NLM_F_ACK | flags, body, keep_cache=True)


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
        if any(self._is_same(route) for route in self._matching(net, self.name)):
            return ()
        return (self.difference(f"route {self._text}", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if any(self._is_same(route) for route in self._matching(net, self.name)):
            return ()
        link = net.require(self.name)
        replaced = self._matching(net, self.replaces) if self.replaces else []
        how = uapi.NLM_F_APPEND if self.append else uapi.NLM_F_EXCL
        flags = uapi.NLM_F_CREATE | (uapi.NLM_F_REPLACE if replaced else how)
        self._send(net, uapi.RTM_NEWROUTE, flags, link)
        if replaced:
            old = net.link(replaced[0].name)
            if old is not None:
                replaced[0]._update_cache(net, old, there=False)  # noqa: SLF001 - of this class
            return (dataclasses.replace(replaced[0], replaces=self.name),)
        return (self.deletion(),)

    def deletion(self) -> DeleteRoute:
        return DeleteRoute(**self._route_fields())


@dataclasses.dataclass(frozen=True)
class DeleteRoute(_Route):
    """There is no such route through a device.

    Equivalent to: ``ip route del ...``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"{self._command} del {self._text}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if not any(self._is_same(route) for route in self._matching(net, self.name)):
            return ()
        return (self.difference(f"route {self._text}", "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = [route for route in self._matching(net, self.name) if self._is_same(route)]
        if not found:
            return ()
        device = net.require(self.name)
        found[0]._send(net, uapi.RTM_DELROUTE, 0, device)  # noqa: SLF001 - of this class
        return (dataclasses.replace(found[0], append=True),)


def has_equal_route(net: Netlink, link: Link, wanted: _Route) -> bool:
    """Return whether a device has a route that differs from another in its device at most."""
    plain = dataclasses.replace(wanted, name=link.name)
    return any(_is_equal(plain, route) for route in plain._matching(net, link.name))  # noqa: SLF001


def _is_equal(wanted: _Route, found: EnsureRoute) -> bool:
    """Return whether a route is another one; it expires no later, if it is to be added."""
    if isinstance(wanted, DeleteRoute):
        if wanted.learned:
            # The kernel may have made that of the other device with an address.
            found = dataclasses.replace(found, learned=True)
        return wanted._is_same(found)  # noqa: SLF001
    last = found.expires
    soon = wanted.expires is None or last is None or wanted.expires <= last + _TOLERANCE
    return wanted._is_same(found) and soon  # noqa: SLF001


def dump_routes(net: Netlink, link: Link | None, family: int, table: int = 0) -> list[bytes]:
    """Return the kernel's routes of a family; those through a device, and of a table, if given."""
    wanted = {"RTA_OIF": None if link is None else link.index, "RTA_TABLE": table or None}
    # There may be no such table, or the kernel has no IPv6.
    with ignoring(errno.ENOENT, errno.EOPNOTSUPP):
        body = ROUTE.pack(wanted, family=family)
        return net.request(uapi.RTM_GETROUTE, uapi.NLM_F_DUMP, body)
    return []


def output_interface(data: bytes) -> int | None:
    """Return the index of the device that a route goes through, or None for several next hops."""
    found: int | None = _OUTPUT.read(data).get("RTA_OIF")
    return found


def parse_routes(link: Link, dumped: list[bytes]) -> list[tuple[EnsureRoute, str]]:
    """Return routes, each with what a step cannot express of it. Those that expired are left out."""
    parsed = [parse_route(link, data) for data in dumped]
    found = [(route, unknown) for route, unknown in parsed if route.expires != 0]
    if any(ra_routes.may_be_learned(route) for route, _ in found):
        learned = ra_routes.read_learned_keys(link.name)
        found = [(_as_learned(route, learned), unknown) for route, unknown in found]
    return found


def _as_learned(
    route: EnsureRoute, learned: set[tuple[str, str | None, int | None]]
) -> EnsureRoute:
    if not ra_routes.is_in_main_table(route) or ra_routes.learned_key(route) not in learned:
        return route
    try:
        return dataclasses.replace(route, learned=True)
    except exception.InvalidStep:
        # A user gave it something that no router gives.
        return route


def parse_route(link: Link, data: bytes) -> tuple[EnsureRoute, str]:
    """Return a route, and what a step cannot express of it."""
    family, length, _, tos, table, protocol, scope, kind, flags = ROUTE.values(data)
    others: list[int] = []
    get = _READER.read(data, others).get
    unknown = _describe(others)
    found = get("RTA_METRICS")
    metrics, unknown_metrics = route_metrics.read(b"" if found is None else found.payload)
    unknown += [unknown_metrics] if unknown_metrics else []
    unknown += [] if kind in _types() else [f"type {kind}"]
    left = flags & ~(_state_flags() | uapi.RTNH_F_ONLINK)
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
        onlink=bool(flags & uapi.RTNH_F_ONLINK),
        kind=kind if kind in _types() else uapi.RTN_UNICAST,
        preference=(get("RTA_PREF") or None) if six else None,
        expires=_seconds_left(get("RTA_CACHEINFO")) if six else None,
        metrics=metrics,
    )
    return route, ", ".join(unknown)


def _describe(numbers: list[int]) -> list[str]:
    """Return in words the attributes of a route that a step cannot express."""
    names = {number: ROUTE.table.names.get(number, "") for number in numbers}
    return [
        _UNKNOWN.get(name, f"attribute {number}")
        for number, name in names.items()
        if name != _WITH_UNKNOWN
    ]


def _seconds_left(cache: Mapping[str, int] | None) -> int | None:
    """Return the lifetime of a route in whole seconds, rounded up; None is for ever.

    A route that has expired, but is still there, has 0.
    """
    ticks = cache["rta_expires"] if cache else 0
    if ticks == 0:
        return None
    return max(0, -(-ticks // os.sysconf("SC_CLK_TCK")))
