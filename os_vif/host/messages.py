# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""pyroute2's messages for addresses and routes. It is imported with the first of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from os_vif.host import first_use, packed


def _class(name: str) -> Any:
    with first_use:
        from pyroute2.netlink.rtnl import ifaddrmsg, rtmsg

        return {"address": ifaddrmsg.ifaddrmsg, "route": rtmsg.rtmsg}[name]


def canonical(address: str) -> str:
    """The text of an address that stands for no other: there are several ways to write IPv6."""
    return str(ipaddress.ip_address(address))


def encode(name: str, fields: Mapping[str, int], attributes: Mapping[str, Any]) -> bytes:
    """The body of a message, ``address`` or ``route``. What is None is left out."""
    message = _class(name)()
    message.update(fields)
    message["attrs"] = [(key, value) for key, value in attributes.items() if value is not None]
    message.encode()
    return bytes(message.data[packed.HEADER.size :])


def decode(name: str, data: bytes) -> Any:
    """A message with its header; it has ``get_attr`` and its fields as items."""
    message = _class(name)(data)
    message.decode()
    return message
