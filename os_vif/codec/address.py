# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fast conversion between text and the addresses and networks of netaddr.

``inet_pton(3)`` parses the text, as in netaddr, and netaddr's pickle protocol makes the object.
Addresses are mutable, so the caches hold the parsed numbers only, never an address.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: The number of entries of each cache. The VIFs of a host share most of their networks.
CACHE_SIZE = 4096
_MAX_LENGTH = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_BITS = {4: 32, 6: 128}
_PREFIX_LENGTH = re.compile("0|[1-9][0-9]{0,2}", re.ASCII).fullmatch
_new = object.__new__


class BoundedCache(dict[K, V]):
    """A cache of computed values, which is emptied when it is full.

    To discard the least recently used entry costs more than it saves: the addresses of a port
    are read once.
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


def parse_address(text: str) -> tuple[int, int] | None:
    """Return number and IP version of an address; None for text that is no address."""
    if len(text) > _MAX_LENGTH:
        return None
    family, version = (socket.AF_INET6, 6) if ":" in text else (socket.AF_INET, 4)
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return int.from_bytes(packed, "big"), version


def parse_network(text: str) -> tuple[int, int, int] | None:
    """Return number, prefix length and IP version of a network; None for any other text."""
    address, _, length = text.partition("/")
    state = parse_address(address)
    if state is None or not _PREFIX_LENGTH(length) or int(length) > _BITS[state[1]]:
        return None
    return state[0], int(length), state[1]


def _format(state: tuple[int, ...]) -> str:
    number, *length, version = state
    if version == 4:  # noqa: PLR2004
        address = socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    else:
        address = socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
    return f"{address}/{length[0]}" if length else address


#: The text of an address, or of a network, by its pickled state.
texts = BoundedCache(_format)


def copy_address(value: Any) -> Any:
    """Return another address, or network, of the same value."""
    copy = _new(type(value))
    copy.__setstate__(value.__getstate__())
    return copy
