# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What our messages say of addresses and routes, held against pyroute2."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from os_vif.host.netlink import messages
from tests.support.generated.netlink_messages import encoded_message
from tests.support.generated.steps import names


def _addresses(cls):
    return st.integers(0, 2 ** cls(0).max_prefixlen - 1).map(lambda number: str(cls(number)))


#: Two of one family: pyroute2 knows a message's addresses by its family.
_PAIRS = st.tuples(*[_addresses(ipaddress.IPv4Address)] * 2) | st.tuples(
    *[_addresses(ipaddress.IPv6Address)] * 2
)


#: Attributes of an address and of a route, by the type of their values.
_IP, _U32, _U8, _TEXT = "ip", "u32", "u8", "text"
_ADDRESS = {
    "IFA_ADDRESS": _IP,
    "IFA_LOCAL": _IP,
    "IFA_LABEL": _TEXT,
    "IFA_BROADCAST": _IP,
    "IFA_FLAGS": _U32,
    "IFA_RT_PRIORITY": _U32,
    "IFA_PROTO": _U8,
}
_ROUTE = {
    "RTA_DST": _IP,
    "RTA_OIF": _U32,
    "RTA_GATEWAY": _IP,
    "RTA_PRIORITY": _U32,
    "RTA_PREFSRC": _IP,
    "RTA_TABLE": _U32,
    "RTA_PREF": _U8,
    "RTA_EXPIRES": _U32,
}


@settings(deadline=None)
@given(pair=_PAIRS, number=st.integers(0, 2**32 - 1), label=names)
@pytest.mark.parametrize(
    ("cls", "message", "table"),
    [(ifaddrmsg, messages.ADDRESS, _ADDRESS), (rtmsg, messages.ROUTE, _ROUTE)],
)
def test_each_attribute_is_written_by_either_and_read_by_the_other(
    cls, message, table, pair, number, label
):
    """To the same values."""
    values = {}
    # pyroute2 reads what it does not know the meaning of as text in hexadecimal.
    known = {slot[0] for slot in cls.nla_map if slot[1] != "hex"}
    for name, kind in table.items():
        if name not in known:
            # pyroute2 0.8.1 has never heard of two of them.
            assert name in ("IFA_RT_PRIORITY", "IFA_PROTO", "RTA_EXPIRES")
        elif kind is _IP:
            values[name] = pair[name.endswith(("LOCAL", "GATEWAY"))]
        elif kind is _U32:
            values[name] = number
        elif kind is _U8:
            values[name] = number % 256
        elif kind is _TEXT:
            values[name] = label
    family = {"family": socket.AF_INET6 if ":" in pair[0] else socket.AF_INET}
    header = encoded_message(cls, 20, 1, family)
    ours = header + message.table.pack(values)
    decoded = cls(struct.pack("=I", len(ours)) + ours[4:])
    decoded.decode()
    read = {slot[0]: slot[1] for slot in decoded["attrs"]}
    assert {name: _canonical(value) for name, value in read.items()} == values
    theirs = encoded_message(cls, 20, 1, {**family, "attrs": list(values.items())})
    assert message.reader(*table).read(theirs[16:]) == values


def _canonical(value):
    """There are several ways to write an IPv6 address."""
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def test_what_a_reader_does_not_know_is_told():
    """By its number; so that a route with it is not moved without it."""
    body = messages.ROUTE.pack({"RTA_OIF": 3}) + struct.pack("=HHI", 8, 11, 1400)
    unknown: list[int] = []
    assert messages.ROUTE.reader("RTA_OIF").read(body, unknown) == {"RTA_OIF": 3}
    assert unknown == [11]
