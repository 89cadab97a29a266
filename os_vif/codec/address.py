# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fast conversion between text and the addresses and networks of netaddr.

``inet_pton(3)`` parses the text, as in netaddr. A state has the values of the slots of
:class:`netaddr.IPAddress`: number, IP version (a module of netaddr), and the prefix length of a
network. Addresses are mutable, so the caches contain states, never an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, TypeVar

from netaddr.strategy import ipv4, ipv6

K = TypeVar("K")
V = TypeVar("V")

#: The number of entries of each cache. The VIFs of a host share most of their networks.
CACHE_SIZE = 4096
_MAX_LENGTH = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_to_integer = int.from_bytes
_PREFIX_LENGTH = re.compile("0|[1-9][0-9]{0,2}", re.ASCII).fullmatch


class BoundedCache(dict[K, V]):
    """A cache of computed values, which is cleared when full.

    Discarding the least recently used entry would cost more time than it saves, because most
    addresses of ports are decoded once.
    """

    def __init__(self, compute: Callable[[K], V]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: K) -> V:
        value = self._compute(key)
        if value is not None:
            if len(self) >= CACHE_SIZE:
                self.clear()
            self[key] = value
        return value


def parse_address(text: str) -> tuple[int, Any] | None:
    """Return the state of an address; None for text that is no address."""
    if len(text) > _MAX_LENGTH:
        return None
    try:
        if ":" in text:
            return _to_integer(inet_pton(AF_INET6, text), "big"), ipv6
        return _to_integer(inet_pton(AF_INET, text), "big"), ipv4
    except (OSError, ValueError):
        return None


def parse_network(text: str) -> tuple[int, Any, int] | None:
    """Return the state of a network; None for any other text."""
    address, _, length = text.partition("/")
    state = parse_address(address)
    if state is None or not _PREFIX_LENGTH(length) or int(length) > state[1].width:
        return None
    return *state, int(length)


def _format(state: tuple[Any, ...]) -> str:
    number, version, *length = state
    if version is ipv4:
        address = inet_ntop(AF_INET, number.to_bytes(4, "big"))
    else:
        address = inet_ntop(AF_INET6, number.to_bytes(16, "big"))
    return f"{address}/{length[0]}" if length else address


#: The text of an address, or of a network, by the state.
texts = BoundedCache(_format)


def select_inside(network: Any, items: Iterable[tuple[Any, V]]) -> list[V]:
    """Return the values of the pairs of an address in the network, and a value."""
    module = network._module
    host_bits = module.width - network._prefixlen
    prefix = network._value >> host_bits
    return [
        value
        for address, value in items
        if address._module is module and address._value >> host_bits == prefix
    ]
