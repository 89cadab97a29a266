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

from os_vif.host.netlink import codec as packed
from tests.unit.host.test_packed import written
from tests.unit.host.test_steps import names


def _addresses(cls):
    return st.integers(0, 2 ** cls(0).max_prefixlen - 1).map(lambda number: str(cls(number)))


#: Two of one family: pyroute2 knows a message's addresses by its family.
_PAIRS = st.tuples(*[_addresses(ipaddress.IPv4Address)] * 2) | st.tuples(
    *[_addresses(ipaddress.IPv6Address)] * 2
)


@settings(deadline=None)
@given(pair=_PAIRS, number=st.integers(0, 2**32 - 1), label=names)
@pytest.mark.parametrize(("cls", "table"), [(ifaddrmsg, packed.IFA), (rtmsg, packed.RTA)])
def test_each_attribute_is_written_by_either_and_read_by_the_other(
    cls, table, pair, number, label
):
    """To the same values."""
    values = {}
    # pyroute2 reads what it does not know the meaning of as text in hexadecimal.
    known = {slot[0] for slot in cls.nla_map if slot[1] != "hex"}
    for name, (_, codec) in table.items():
        if name not in known:
            # pyroute2 0.8.1 has never heard of two of them.
            assert name in ("IFA_RT_PRIORITY", "IFA_PROTO", "RTA_EXPIRES")
        elif codec is packed.IP:
            values[name] = pair[name.endswith(("LOCAL", "GATEWAY"))]
        elif codec is packed.U32:
            values[name] = number
        elif codec is packed.U8:
            values[name] = number % 256
        elif codec is packed.TEXT:
            values[name] = label
    family = {"family": socket.AF_INET6 if ":" in pair[0] else socket.AF_INET}
    header = written(cls, 20, 1, family)
    ours = header + packed.pack(values, table)
    message = cls(struct.pack("=I", len(ours)) + ours[4:])
    message.decode()
    read = {slot[0]: slot[1] for slot in message["attrs"]}
    assert {name: _canonical(value) for name, value in read.items()} == values
    theirs = written(cls, 20, 1, {**family, "attrs": list(values.items())})
    assert packed.unpack(theirs[len(header) :], table) == values


def _canonical(value):
    """There are several ways to write an IPv6 address."""
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def test_what_a_table_does_not_know_is_told():
    """By its number; so that a route with it is not moved without it."""
    body = packed.pack({"RTA_OIF": 3}, packed.RTA) + struct.pack("=HHI", 8, 11, 1400)
    unknown: list[int] = []
    assert packed.unpack(body, packed.RTA, unknown) == {"RTA_OIF": 3}
    assert unknown == [11]
