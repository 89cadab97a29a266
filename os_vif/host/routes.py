# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for IP routes, and what moves addresses and routes to another device."""

from __future__ import annotations

import dataclasses
import errno
import socket
import struct
from typing import TYPE_CHECKING, Any

from os_vif.host import addresses, netlink, packed, validate
from os_vif.host.addresses import DeleteAddress, EnsureAddress
from os_vif.host.plan import Difference, Step, quote
from os_vif.host.sysctl import Sysctl

if TYPE_CHECKING:
    from os_vif.host.netlink import Link, Netlink

#: linux/rtnetlink.h
_NEWROUTE, _DELROUTE, _GETROUTE, _GETRULE = 24, 25, 26, 34
_UNICAST, _TABLE_LOCAL, _TABLE_MAIN, _TABLE_UNSPEC, _PROTOCOL_KERNEL = 1, 255, 254, 0, 2
_SCOPE_UNIVERSE = 0
_ONLINK = 4
#: What the kernel reports of a route's state, and what is not part of it.
_STATE_FLAGS = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x800 | 0x4000 | 0x8000 | 0x20000000
#: ``struct rtmsg``: family, lengths, tos, table, protocol, scope, type, flags. ``struct
#: fib_rule_hdr`` is as long.
_HEADER = struct.Struct("=BBBBBBBBI")
#: What IPv6 addresses of a link, and those of multicast, begin with.
_OF_LINK = ("fe80:", "ff")
#: The metric of a route of IPv6 that comes with an address.
_METRIC_6_CONNECTED = 256
#: The address of the default route, which has a length of 0.
_ANYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - no socket
#: What a route may have that the step cannot say: ``RTA_*`` of linux/rtnetlink.h.
_UNKNOWN = {
    8: "metrics",
    9: "several next hops",
    18: "a gateway of another family",
    22: "an encapsulation",
    30: "a next hop object",
}
#: ``RTA_CACHEINFO`` and ``RTA_PREF``: what became of it, and what routers said of it.
_STATE = (12, 20)
_FRA = packed.Table(FRA_TABLE=(15, packed.U32))


@dataclasses.dataclass(frozen=True)
class _Route(Step):
    name: str
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

    @property
    def device(self) -> str:
        return self.name

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

    @property
    def _text(self) -> str:
        default = self.destination in ("0.0.0.0/0", "::/0")
        words = ["default" if default else self.destination]
        words += [f"via {self.gateway}"] if self.gateway else []
        words += [f"dev {quote(self.name)}"]
        words += [f"table {self.table}"] if self.table != _TABLE_MAIN else []
        words += [f"proto {self.protocol}"]
        words += [f"scope {self.scope}"] if self.scope != _SCOPE_UNIVERSE else []
        words += [f"src {self.source}"] if self.source else []
        words += [f"metric {self.metric}"] if self.metric else []
        words += [f"tos {self.tos:#x}"] if self.tos else []
        words += ["onlink"] if self.onlink else []
        return " ".join(words)

    @property
    def _command(self) -> str:
        return "ip -6 route" if ":" in self.destination else "ip route"

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from the other routes of a host."""
        return (self.destination, self.table, self.metric, self.tos)

    def _same(self, other: _Route) -> bool:
        return self._plain() == other._plain()

    def _plain(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(_Route)}

    def _there(self, net: Netlink, name: str) -> list[EnsureRoute]:
        """The routes through a device that are like this one."""
        link = net.link(name)
        return [] if link is None else list(self._cached(net, link).get(self.key, ()))

    def _cached(self, net: Netlink, link: Link) -> dict[tuple[Any, ...], list[EnsureRoute]]:
        """Return the routes through a device in the table of this one, by their keys."""

        def read() -> dict[tuple[Any, ...], list[EnsureRoute]]:
            found: dict[tuple[Any, ...], list[EnsureRoute]] = {}
            for data in _dump(net, link, self._family, self.table):
                route, unknown = _read(link, data)
                if not unknown:
                    found.setdefault(route.key, []).append(route)
            return found

        found: dict[tuple[Any, ...], list[EnsureRoute]] = net.cached(
            ("routes", link.index, self._family, self.table), read
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
        destination, _, length = self.destination.partition("/")
        header = _HEADER.pack(
            self._family,
            int(length),
            0,
            self.tos,
            self.table if self.table <= _TABLE_LOCAL else _TABLE_UNSPEC,
            self.protocol,
            self.scope,
            _UNICAST,
            _ONLINK if self.onlink else 0,
        )
        attributes = {
            "RTA_TABLE": self.table,
            "RTA_DST": destination if int(length) else None,
            "RTA_OIF": link.index,
            "RTA_GATEWAY": self.gateway,
            "RTA_PRIORITY": self.metric,
            "RTA_PREFSRC": self.source,
        }
        body = header + packed.pack(attributes, packed.RTA)
        net.talk(kind, netlink.ACK | flags, body, keep_cache=True)
        self._recache(net, link, there=kind == _NEWROUTE)


@dataclasses.dataclass(frozen=True)
class EnsureRoute(_Route):
    """There is a route through a device.

    Equivalent to: ``ip route add ...``, or ``ip route replace ...`` where it takes the place of
    one through another device; then there is no moment without a route; or ``ip route append ...``.
    """

    #: The device whose like route it replaces.
    instead_of: str | None = None
    #: There may be a like route through another device; then this one comes after it.
    beside: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.instead_of) if self.instead_of else (self.name,)

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "instead_of", optional=True)
        validate.boolean(self, "beside")

    def commands(self) -> tuple[str, ...]:
        how = "replace" if self.instead_of else "append" if self.beside else "add"
        return (f"{self._command} {how} {self._text}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if any(self._same(route) for route in self._there(net, self.name)):
            return ()
        return (self.difference(f"route {self._text}", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        if any(self._same(route) for route in self._there(net, self.name)):
            return ()
        link = net.require(self.name)
        replaced = self._there(net, self.instead_of) if self.instead_of else []
        how = netlink.APPEND if self.beside else netlink.EXCL
        self._send(net, _NEWROUTE, netlink.CREATE | (netlink.REPLACE if replaced else how), link)
        if replaced:
            old = net.link(replaced[0].name)
            if old is not None:
                replaced[0]._recache(net, old, there=False)  # noqa: SLF001 - of this class
            return (dataclasses.replace(replaced[0], instead_of=self.name),)
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

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        found = [route for route in self._there(net, self.name) if self._same(route)]
        if not found:
            return ()
        self._send(net, _DELROUTE, 0, net.require(self.name))
        return (dataclasses.replace(found[0], beside=True),)


def has_like(net: Netlink, link: Link, wanted: _Route) -> bool:
    """Return whether a device has a route that differs from another in its device at most."""
    plain = dataclasses.replace(wanted, name=link.name)
    return any(plain._same(route) for route in plain._there(net, link.name))  # noqa: SLF001


def of(net: Netlink, link: Link, held: list[EnsureAddress] | None = None) -> list[EnsureRoute]:
    """The routes through a device, but for those that the kernel makes with an address.

    :param held: the device's addresses, if they are known.
    :raises OSError: with EOPNOTSUPP for a route that the steps cannot express.
    """
    held = addresses.of(net, link) if held is None else held
    made_with = {
        (addresses.network_of(address), address.metric or _connected_metric(address.address))
        for address in held
        if addresses.is_routed_by_kernel(address)
    }
    found = []
    all_made = all(addresses.is_routed_by_kernel(address) for address in held)
    for data in _of_both_families(net, link):
        header = _HEADER.unpack_from(data, packed.HEADER.size)
        if all_made and header[4:6] == (_TABLE_MAIN, _PROTOCOL_KERNEL):
            # Not worth the time to read it.
            continue
        route, unknown = _read(link, data)
        made = (route.destination, route.metric or 0) in made_with
        if made and route.protocol == _PROTOCOL_KERNEL and route.table == _TABLE_MAIN:
            continue
        if unknown:
            reason = f"the route {route.destination} of {link.name} has {unknown}"
            raise OSError(errno.EOPNOTSUPP, f"{reason}, which os-vif cannot move")
        found.append(route)
    return found


def _connected_metric(address: str) -> int:
    return _METRIC_6_CONNECTED if ":" in address else 0


def _of_both_families(net: Netlink, link: Link) -> list[bytes]:
    """The routes that a user gave: the kernel's own are most, and take time to read."""
    found = _dump(net, link, socket.AF_INET)
    # The local table of IPv6 has two routes for each device of the host: it is left out.
    for table in _tables(net):
        found += _dump(net, link, socket.AF_INET6, table)
    return [data for data in found if _is_given(data)]


def _tables(net: Netlink) -> set[int]:
    """The tables of IPv6 that a rule leads to; in another no route is ever found."""
    rules = net.talk(_GETRULE, netlink.DUMP, bytes([socket.AF_INET6]) + bytes(_HEADER.size - 1))
    found = (packed.unpack(data[packed.HEADER.size + _HEADER.size :], _FRA) for data in rules)
    return {rule["FRA_TABLE"] for rule in found if "FRA_TABLE" in rule} - {_TABLE_LOCAL, 0}


def _dump(net: Netlink, link: Link, family: int, table: int = 0) -> list[bytes]:
    wanted = {"RTA_OIF": link.index, "RTA_TABLE": table or None}
    body = bytes([family]) + bytes(_HEADER.size - 1) + packed.pack(wanted, packed.RTA)
    try:
        return net.talk(_GETROUTE, netlink.DUMP, body)
    except OSError as error:
        if error.errno == errno.ENOENT:
            # There is no such table.
            return []
        raise


def _is_given(data: bytes) -> bool:
    _, _, _, _, table, _, _, kind, _ = _HEADER.unpack_from(data, packed.HEADER.size)
    if kind != _UNICAST or table == _TABLE_LOCAL:
        return False
    body = data[packed.HEADER.size + _HEADER.size :]
    return not packed.unpack(body, packed.RTA).get("RTA_DST", "").startswith(_OF_LINK)


def _read(link: Link, data: bytes) -> tuple[EnsureRoute, str]:
    """A route, and what of it the step cannot say."""
    header = _HEADER.unpack_from(data, packed.HEADER.size)
    family, length, _, tos, table, protocol, scope, _, flags = header
    numbers: list[int] = []
    body = data[packed.HEADER.size + _HEADER.size :]
    get = packed.unpack(body, packed.RTA, numbers).get
    unknown = [_UNKNOWN.get(n, f"attribute {n}") for n in numbers if n not in _STATE]
    left = flags & ~(_STATE_FLAGS | _ONLINK)
    unknown += [f"flags {left:#x}"] if left else []
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
    )
    return route, ", ".join(unknown)


@dataclasses.dataclass(frozen=True)
class Move:
    """What moves the addresses and routes of one device to another, make before break."""

    #: Gives the other device the addresses. Both have them then.
    make: tuple[Step, ...]
    #: Leads the routes through the other device, which has to be up; then takes the addresses.
    switch: tuple[Step, ...]

    @property
    def has_ipv6(self) -> bool:
        return any(isinstance(step, Sysctl) for step in self.make)


def move(net: Netlink, source: Link, target: str) -> Move:
    """:raises OSError: with EOPNOTSUPP for a route that the steps cannot express."""
    held = addresses.of(net, source)
    routes = of(net, source, held)
    make: list[Step] = [_relabelled(address, source.name, target) for address in held]
    if any(":" in address.address for address in held):
        # The public os-vif turned IPv6 off there, and left the addresses where they were dead.
        make.insert(0, Sysctl(target, "disable_ipv6", 0))
    # Gateways are reached by the others, which so come first and go last, here and in an undo.
    near = [route for route in routes if route.gateway is None]
    switch: list[Step] = [dataclasses.replace(r, name=target, beside=True) for r in near]
    switch += [
        dataclasses.replace(route, name=target, instead_of=source.name)
        for route in routes
        if route.gateway is not None
    ]
    switch += [route.deletion() for route in near]
    # The first of a network is its primary; the kernel takes the others with it.
    switch += [DeleteAddress(a.name, a.address, a.peer) for a in reversed(held)]
    return Move(tuple(make), tuple(switch))


def _relabelled(address: EnsureAddress, source: str, target: str) -> EnsureAddress:
    label = address.label
    if label is not None and label.startswith(f"{source}:"):
        label = target + label[len(source) :]
        if len(label) > validate.MAX_NAME:
            label = None
    return dataclasses.replace(address, name=target, label=label)
