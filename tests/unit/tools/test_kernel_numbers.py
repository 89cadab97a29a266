# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Numbers of the netlink interface come from pyroute2, not from tables of os-vif."""

from __future__ import annotations

import functools

import pytest

from os_vif.host.netlink import supplement
from os_vif.steps import EnsureNeighbour, EnsureRoute
from tools import kernel_numbers


@functools.cache
def known():
    return kernel_numbers.Known()


def test_no_module_has_a_number_that_pyroute2_has():
    """The installed pyroute2 is compared; tests/interop compares the oldest supported pyroute2,
    too.
    """
    assert kernel_numbers.check() == []


@pytest.mark.parametrize(
    "text",
    [
        "_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22",
        "ACK = 0x4",
        "_PERMANENT: int = 0x80",
        "_NODAD = 0x02",
        "_RULE = 0; RTM_GETRULE = 34",
        "_DUMP = 0x100 | 0x200",
        "_VFINFO_LIST = 22",
        "class A:\n    _PROP_LIST = 52",
        "IFLA = Table(IFLA_MTU=(4, U32))",
        "DATA = {'vlan': Table(IFLA_VLAN_ID=(1, U16))}",
        "_NAMES = {'RTAX_MTU': (2, U32)}",
        "TYPES = {1: 'unicast', 2: 'local', 3: 'broadcast', 4: 'anycast'}",
        "_NAMES = {2: 'mtu', 3: 'window', 4: 'rtt'}",
        "HEADER = struct.Struct('=BBBBBBBBI')",
        "LINK = struct.Struct('=BxHiII')",
        "_HEADER = struct.Struct('=BxxxiHBB')",
        "net.request(uapi.RTM_NEWNOTHING, 0, b'')",
        "get('IFLA_NO_SUCH_NAME')",
    ],
)
def test_a_number_of_pyroute2_is_found(text):
    assert [finding.line for finding in kernel_numbers.check_module("a.py", text, known())]


@pytest.mark.parametrize(
    "text",
    [
        "_BUFFER = 1 << 18",
        "_ATTEMPTS = 20",
        "wanted = {'IFLA_MTU': 1500, 'IFLA_MASTER': 0}",
        "kind: int = 1",
        "body = LINK.pack({}, index=3)",
        "net.request(uapi.RTM_NEWLINK, uapi.NLM_F_ACK, b'')",
        "_WORD = struct.Struct('=I')",
        "_STATES = {0: 'auto', 1: 'enable', 2: 'disable'}",
    ],
)
def test_other_numbers_are_no_finding(text):
    assert list(kernel_numbers.check_module("a.py", text, known())) == []


def test_an_entry_of_the_supplement_that_pyroute2_has_is_found(monkeypatch):
    """An entry of the supplement is deleted once pyroute2 has the definition."""
    monkeypatch.setitem(supplement.ATTRIBUTES, "rtmsg", {"RTA_OIF": (4, "uint32")})
    monkeypatch.setattr(supplement, "RTM_NEWLINK", 16, raising=False)
    # The line of the name in the file is not tested here.
    monkeypatch.setattr(kernel_numbers, "_line_of", lambda *_: 1)
    found = [finding.text for finding in kernel_numbers.check_supplement(known())]
    assert sorted(found) == ["pyroute2 has RTA_OIF of rtmsg", "pyroute2 has RTM_NEWLINK"]


def test_defaults_of_steps_are_the_numbers_of_pyroute2():
    """Default values are numbers, because importing a step must not load pyroute2."""
    constants = known().constants
    route = EnsureRoute("eth0", "192.0.2.0/24")
    assert route.kind == constants["RTN_UNICAST"]
    assert route.protocol == constants["RTPROT_STATIC"]
    assert route.scope == constants["RT_SCOPE_UNIVERSE"]
    assert EnsureNeighbour("eth0", "192.0.2.1").state == constants["NUD_PERMANENT"]
