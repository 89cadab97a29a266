# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for IP routes, and functions for reading the routes of a device."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host import ra_routes
from os_vif.host.netlink import route_metrics, supplement, uapi
from os_vif.host.netlink.messages import ROUTE
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.steps import validate
from os_vif.steps.ip import route_values
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep, arguments_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``RTA_PREF`` as ip-route(8) names it. None stands for medium, the default.
_PREFERENCES = {
    supplement.ICMPV6_ROUTER_PREF_HIGH: "high",
    supplement.ICMPV6_ROUTER_PREF_LOW: "low",
}
#: The address of the default route, with the prefix length 0.
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
#: An attribute beside an attribute of :data:`_UNKNOWN`.
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
#: Permitted difference of two readings of a lifetime, in seconds.
_TOLERANCE = 5


@dataclasses.dataclass(frozen=True)
class _Route(NamedStep, KernelStep):
    #: Network with prefix length; ``0.0.0.0/0`` or ``::/0`` is the default route.
    destination: str
    #: IP address of the gateway; None for a network that the device is connected to.
    gateway: str | None = None
    #: Number of the routing table; 254 is the main table.
    table: int = supplement.RT_TABLE_MAIN
    #: Metric (priority); None is the kernel's default.
    metric: int | None = None
    #: Origin of the route (``RTPROT_*``); 4 is "static".
    protocol: int = 4
    #: Scope (``RT_SCOPE_*``); 0 is global.
    scope: int = 0
    #: Preferred source address; None lets the kernel choose.
    source: str | None = None
    #: Type of service.
    tos: int = 0
    #: The gateway is reached directly through the device, without regard to routes.
    onlink: bool = False
    #: Type of the route (``RTN_*``): 1 is unicast; 2 is local, for addresses of the host (AnyIP).
    kind: int = 1
    #: Preference of an IPv6 route (``RTA_PREF``, RFC 4191): 1 is high, 3 is low; None is medium.
    preference: int | None = None
    #: Lifetime of an IPv6 route in seconds; None is no end.
    expires: int | None = None
    #: Metrics in the words of ip-route(8), such as ``mtu lock 1400``; see
    #: ``os_vif.host.netlink.route_metrics``.
    metrics: str = ""
    #: The kernel learned the route from a router advertisement; the next advertisement renews or
    #: deletes the route. See ``os_vif.host.ra_routes``.
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
        """Check the fields for IPv6 routes."""
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
        return self._is_in_ipv6_main_table() and self.kind == uapi.RTN_UNICAST and plain

    def _is_in_ipv6_main_table(self) -> bool:
        """Return whether the route is in the table of the learned routes."""
        return ":" in self.destination and self.table == supplement.RT_TABLE_MAIN

    @property
    def _learned_key(self) -> ra_routes.LearnedKey:
        return self.destination, self.gateway, self.metric

    def _deserves_learned_check(self) -> bool:
        """Return whether the kernel may have learned the route, judging by the visible fields."""
        return (
            self._is_in_ipv6_main_table()
            # RTPROT_BOOT is the protocol of each route added by the ioctl.
            and self.protocol in (uapi.RTPROT_RA, uapi.RTPROT_KERNEL, uapi.RTPROT_BOOT)
            and (self.expires is not None or self.protocol == uapi.RTPROT_RA)
        )

    @property
    def _words(self) -> str:
        default = self.destination in ("0.0.0.0/0", "::/0")
        words = [route_values.types()[self.kind]] if self.kind != uapi.RTN_UNICAST else []
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
    def _ip_route(self) -> str:
        return "ip -6 route" if ":" in self.destination else "ip route"

    @property
    def key(self) -> tuple[Any, ...]:
        """Identification of the route among the routes of a host."""
        return (self.destination, self.table, self.metric, self.tos)

    def _is_same(self, other: _Route) -> bool:
        """Return whether two routes are equal, without regard to the remaining lifetime."""
        return self._timeless_fields() == other._timeless_fields()

    def _timeless_fields(self) -> dict[str, Any]:
        """Return the fields that the kernel does not change by itself."""
        ignored = ("expires", "protocol", "metrics") if self.learned else ("expires",)
        lasting = {
            name: value for name, value in self._route_fields().items() if name not in ignored
        }
        return lasting | {"is for ever": self.expires is None}

    def _route_fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name, _ in arguments_of(_Route)}

    def _matching(self, net: Netlink, name: str) -> list[EnsureRoute]:
        """Return the routes through a device with the key of this route."""
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
        """Add this route to the cached routes, if there are any, or remove this route."""
        cached = net.cached_result(("routes", link.index, self._family))
        if cached is None:
            return
        routes = cached.setdefault(self.key, [])
        routes[:] = [route for route in routes if not self._is_same(route)]
        if there:
            routes.append(EnsureRoute(**self._route_fields()))

    @property
    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.destination else socket.AF_INET

    def _send_route(self, net: Netlink, kind: int, flags: int, link: Link) -> None:
        if self.learned and kind == uapi.RTM_NEWROUTE:
            ra_routes.add_learned_route(
                link.index,
                self._learned_key,
                preference=self.preference,
                expires=self.expires,
            )
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
    """A device has a route.

    A route of another device is replaced atomically if *replaces* is given.

    :raises OSError: with ENODEV if the device is missing; with EEXIST if another route has the
        destination, table, metric and type of service, and neither *replaces* nor *append* is given.

    Equivalent to: ``ip route add ...``, ``ip route replace ...`` with *replaces*, or
    ``ip route append ...`` with *append*.
    """

    #: Name of the device with an equal route, to be replaced by this route; None replaces nothing.
    replaces: str | None = None
    #: Add the route after an equal route through another device.
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
        return (f"{self._ip_route} {how} {self._words}{note}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._exists(net):
            return ()
        return (self.difference(f"route {self._words}", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.link(self.name)
        if link is not None and self._may_be_sent_first(net, link):
            try:
                flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
                self._send_route(net, uapi.RTM_NEWROUTE, flags, link)
            except OSError:
                if not self._exists(net):
                    raise
                return ()
            return (self.deletion(),)
        if self._exists(net):
            return ()
        link = net.require(self.name)
        replaced = self._matching(net, self.replaces) if self.replaces else []
        how = uapi.NLM_F_APPEND if self.append else uapi.NLM_F_EXCL
        flags = uapi.NLM_F_CREATE | (uapi.NLM_F_REPLACE if replaced else how)
        self._send_route(net, uapi.RTM_NEWROUTE, flags, link)
        if replaced:
            old = net.link(replaced[0].name)
            if old is not None:
                replaced[0]._update_cache(net, old, there=False)  # noqa: SLF001 - of this class
            return (dataclasses.replace(replaced[0], replaces=self.name),)
        return (self.deletion(),)

    def _exists(self, net: Netlink) -> bool:
        return any(self._is_same(route) for route in self._matching(net, self.name))

    def _may_be_sent_first(self, net: Netlink, link: Link) -> bool:
        """Return whether the kernel may decide if the route exists, without a read before.

        With ``NLM_F_EXCL``, the kernel adds no second route with the key. A read of all routes takes
        longer than the refusal.
        """
        is_plain = not (self.learned or self.append or self.replaces)
        return is_plain and net.cached_result(("routes", link.index, self._family)) is None

    def deletion(self) -> DeleteRoute:
        return DeleteRoute(**self._route_fields())


@dataclasses.dataclass(frozen=True)
class DeleteRoute(_Route):
    """A device does not have a route.

    Equivalent to: ``ip route del ...``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"{self._ip_route} del {self._words}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if not any(self._is_same(route) for route in self._matching(net, self.name)):
            return ()
        return (self.difference(f"route {self._words}", "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = [route for route in self._matching(net, self.name) if self._is_same(route)]
        if not found:
            return ()
        device = net.require(self.name)
        found[0]._send_route(net, uapi.RTM_DELROUTE, 0, device)  # noqa: SLF001 - of this class
        return (dataclasses.replace(found[0], append=True),)


def has_equal_route(net: Netlink, link: Link, wanted: _Route) -> bool:
    """Return whether a device has a route equal to *wanted*, except for the device."""
    plain = dataclasses.replace(wanted, name=link.name)
    return any(_is_equal(plain, route) for route in plain._matching(net, link.name))  # noqa: SLF001


def _is_equal(wanted: _Route, found: EnsureRoute) -> bool:
    """Return whether two routes are equal; a wanted new route must not expire later."""
    if isinstance(wanted, DeleteRoute):
        if wanted.learned:
            # The kernel may have created the found route with an address.
            found = dataclasses.replace(found, learned=True)
        return wanted._is_same(found)  # noqa: SLF001
    last = found.expires
    soon = wanted.expires is None or last is None or wanted.expires <= last + _TOLERANCE
    return wanted._is_same(found) and soon  # noqa: SLF001


def dump_routes(net: Netlink, link: Link | None, family: int, table: int = 0) -> list[bytes]:
    """Return the messages of the routes of a family, optionally of a device and of a table."""
    wanted = {"RTA_OIF": None if link is None else link.index, "RTA_TABLE": table or None}
    # The table may be missing, or the kernel may have no IPv6.
    with ignoring(errno.ENOENT, errno.EOPNOTSUPP):
        body = ROUTE.pack(wanted, family=family)
        found = net.request(uapi.RTM_GETROUTE, uapi.NLM_F_DUMP, body)
        if link is None or link.kind != "vrf":
            return found
        # The kernel also sends the routes of the devices in the VRF (nhc_l3mdev_matches_dev).
        return [data for data in found if output_interface(data) in (None, link.index)]
    return []


def output_interface(data: bytes) -> int | None:
    """Return the index of the device that a route goes through, or None for several next hops."""
    found: int | None = _OUTPUT.read(data).get("RTA_OIF")
    return found


def parse_routes(link: Link, dumped: list[bytes]) -> list[tuple[EnsureRoute, str]]:
    """Return routes, each with a description of the parts that a step cannot express.

    Expired routes are left out.
    """
    parsed = [parse_route(link, data) for data in dumped]
    found = [(route, unknown) for route, unknown in parsed if route.expires != 0]
    if any(route._deserves_learned_check() for route, _ in found):  # noqa: SLF001
        learned = ra_routes.read_learned_keys(link.name)
        found = [(_as_learned(route, learned), unknown) for route, unknown in found]
    return found


def _as_learned(route: EnsureRoute, learned: set[ra_routes.LearnedKey]) -> EnsureRoute:
    """Return a route with *learned* set if the kernel has marked the route."""
    if not route._is_in_ipv6_main_table() or route._learned_key not in learned:  # noqa: SLF001
        return route
    try:
        return dataclasses.replace(route, learned=True)
    except exception.InvalidStep:
        # A user has added a field that no learned route has.
        return route


def parse_route(link: Link, data: bytes) -> tuple[EnsureRoute, str]:
    """Return a route, and a description of the parts that a step cannot express."""
    family, length, _, tos, table, protocol, scope, kind, flags = ROUTE.values(data)
    others: list[int] = []
    get = _READER.read(data, others).get
    unknown = _describe_attributes(others)
    found = get("RTA_METRICS")
    metrics, unknown_metrics = route_metrics.read(b"" if found is None else found.payload)
    unknown += [unknown_metrics] if unknown_metrics else []
    unknown += [] if kind in route_values.types() else [f"type {kind}"]
    left = flags & ~(route_values.state_flags() | uapi.RTNH_F_ONLINK)
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
        kind=kind if kind in route_values.types() else uapi.RTN_UNICAST,
        preference=(get("RTA_PREF") or None) if six else None,
        expires=_seconds_left(get("RTA_CACHEINFO")) if six else None,
        metrics=metrics,
    )
    return route, ", ".join(unknown)


def _describe_attributes(numbers: list[int]) -> list[str]:
    """Return in words the attributes of a route that a step cannot express."""
    names = {number: ROUTE.table.names.get(number, "") for number in numbers}
    return [
        _UNKNOWN.get(name, f"attribute {number}")
        for number, name in names.items()
        if name != _WITH_UNKNOWN
    ]


def _seconds_left(cache: Mapping[str, int] | None) -> int | None:
    """Return the lifetime of a route in whole seconds, rounded up; None is for ever.

    An expired route, which the kernel has not deleted yet, has 0.
    """
    ticks = cache["rta_expires"] if cache else 0
    if ticks == 0:
        return None
    return max(0, -(-ticks // os.sysconf("SC_CLK_TCK")))
