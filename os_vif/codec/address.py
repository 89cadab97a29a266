# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fast conversion between text and the addresses and networks of netaddr.

``inet_pton(3)`` parses the text, as in netaddr. A state has the values of the slots of
:class:`netaddr.IPAddress`: number, IP version (a module of netaddr), and the prefix length of a
network. Addresses are mutable, so the caches contain states, never an address.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from netaddr.strategy import ipv4, ipv6

K = TypeVar("K")
V = TypeVar("V")

#: The number of entries of each cache. The VIFs of a host share most of their networks.
CACHE_SIZE = 4096
_MAX_LENGTH = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
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
    family, version = (socket.AF_INET6, ipv6) if ":" in text else (socket.AF_INET, ipv4)
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return int.from_bytes(packed, "big"), version


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
        address = socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    else:
        address = socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
    return f"{address}/{length[0]}" if length else address


#: The text of an address, or of a network, by the state.
texts = BoundedCache(_format)


def contains(network: Any, address: Any) -> bool:
    """Return True if an address is in a network."""
    host_bits = network._module.width - network._prefixlen
    return (
        network._module is address._module
        and network._value >> host_bits == address._value >> host_bits
    )
