# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The values of each field of a step; other values raise InvalidStep with the field."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception
from os_vif.engine.privileged.daemon import run
from os_vif.host import limits
from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.steps import EnsureForwardingRules, SetLink
from os_vif.steps.wire import STEPS
from tests.support.generated import bridge_rules
from tests.support.generated.field_values import (
    _NO_LINE,
    _NO_TEXT,
    BOOLEAN,
    DEVICE,
    LINK_STATE,
    MANAGEMENT,
    METRICS,
    PACKED,
    PCI,
    PROTOCOL,
    VDPA,
    Kind,
    integer,
    line,
    optional,
)


def of_ipv4(kind: Kind) -> Kind:
    """Return the IPv4 values of a kind, for the source address of a route."""
    return Kind(tuple(value for value in kind.good if ":" not in value), kind.bad)


def also(kind: Kind, *values: Any) -> Kind:
    return Kind((*kind.good, *values), tuple(v for v in kind.bad if v not in values))


LABEL = also(DEVICE, "a:b", "eth0:1")
MTU = integer(1, 2**31 - 1)
INDEX = integer(1, 2**31 - 1)
BYTE = integer(0, 255)
WORD = integer(0, 2**32 - 1)
SECONDS = integer(0, 2**32 - 2)
MAC = Kind(
    ("fa:16:3e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"),
    (
        "",
        "FA:16:3E:00:00:01",
        "fa-16-3e-00-00-01",
        "fa163e000001",
        "fa:16:3e:00:00",
        "fa:16:3e:00:00:01:02",
        "fa:16:3e:0:0:1",
        "ga:16:3e:00:00:01",
        "fa:16:3e:00:00:01\n",
        " fa:16:3e:00:00:01",
        "fa:16:3e:00:00:0\u0661",
        *_NO_TEXT,
    ),
)


TEXT = line(255)
#: Spellings that the parser accepts and does not write. A scope may be any text.
_ODD_4 = ("192.0.2.01", "192.0.2", "192.0.2.256", "0xc0000201", "3221225985", "192.0.2.1\n")
_ODD_6 = ("2001:DB8::1", "2001:db8:0::1", "2001:0db8::1", "[2001:db8::1]", "2001:db8::1::")
_SCOPED = ("fe80::1%eth0", "fe80::1%a b", "fe80::1%a\nid")
ADDRESS = Kind(
    ("192.0.2.1", "255.255.255.255", "2001:db8::1", "::"),
    ("", "host", "192.0.2.1/24", " 192.0.2.1", *_ODD_4, *_ODD_6, *_SCOPED, *_NO_TEXT),
)
HOST = Kind(
    tuple(address for address in ADDRESS.good if address != "::"),
    (*ADDRESS.bad, "::", "0.0.0.0"),  # noqa: S104 - no step listens
)
INTERFACE = Kind(
    ("192.0.2.1/24", "192.0.2.0/24", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::1/64", "::1/128"),
    (
        "",
        "192.0.2.1",
        "2001:db8::1",
        "192.0.2.1/33",
        "192.0.2.1/-1",
        "2001:db8::1/129",
        "192.0.2.1/255.255.255.0",
        "192.0.2.1/0.0.0.255",
        "192.0.2.1/024",
        "192.0.2.1/24/24",
        "192.0.2.1/24\n",
        "192.0.2.1/",
        *(f"{odd}/24" for odd in (*_ODD_4, *_ODD_6, *_SCOPED)),
        *_NO_TEXT,
    ),
)
NETWORK = Kind(
    ("192.0.2.0/24", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::/64", "::/0"),
    # The first two have host bits.
    (
        "192.0.2.1/24",
        "2001:db8::1/64",
        "",
        "192.0.2.0",
        "default",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/33",
        "192.0.2/24",
        "2001:DB8::/64",
        "2001:db8:0::/64",
        "192.0.2.0/24\n",
        "fe80::%eth0/64",
        "fe80::%a\nid/64",
        *_NO_TEXT,
    ),
)
FILE = Kind(
    ("ns1", "1234", "x" * 255, "é" * 127, "a b", "...", "-"),
    ("", ".", "..", "a/b", "/", "../1", "x" * 256, "é" * 128, *_NO_LINE, *_NO_TEXT),
)
CHAIN = Kind(
    ("DROP", "REJECT", "my-chain", "x" * 28, "_"),
    ("", "x" * 29, "-j", "A B", "A;B", "A\n", "A/B", "Ä", *_NO_LINE, *_NO_TEXT),
)
EXPRESSION = Kind(
    ("", "^-A FORWARD", "a|b$", r"a\(.*b", "x" * 1000),
    ("(a|b)", "(.*)*(.*)*!", "a^b", "(", "[", "*", "a{2,1}", *_NO_TEXT),
)
INTERFACES = Kind(
    ((), ("all",), ("eth0", "tap+"), ["eth0"], []),
    (
        "all",
        "",
        ("a/b",),
        ("eth0", "a b"),
        ("",),
        (None,),
        (True,),
        (b"eth0",),
        (("eth0",),),
        None,
        True,
        0,
        7,
        b"all",
        {"eth0"},
        {"eth0": 1},
        ["a:b"],
        ("default",),
    ),
)
RULES = Kind(bridge_rules.GOOD, bridge_rules.BAD)
KEPT = Kind(
    ("", "0123456789abcdef"),
    ("0123456789abcde", "0123456789ABCDEF", "0123456789abcdef\n", "x" * 16, 7, True, ["a" * 16]),
)
JUMPS = Kind(
    ((), (1,), (1, 2**31 - 1), [3]),
    (None, 1, True, "1", ("1",), (0,), (-1,), (2**31,), (True,), (None,), (1.0,), ((1,),), {1: 1},
     (1,) * 1025),
)  # fmt: skip
MODE = Kind(
    ("private", "vepa", "bridge", "passthru"),
    ("", "source", "PRIVATE", "bridge ", "bridge\n", "1", 1, 4, *_NO_TEXT),
)
KEY = Kind(
    ("disable_ipv6", "arp_ignore", "arp_announce"),
    ("", "accept_ra", "ARP_IGNORE", "../eth0/arp_ignore", "arp_ignore\n", "ipv6", *_NO_TEXT),
)


_ADDRESS = {"name": DEVICE, "address": INTERFACE, "peer": optional(of_ipv4(INTERFACE))}
_DELETION = {"name": DEVICE, "index": optional(INDEX), "include_unmanaged": BOOLEAN}
_NEIGHBOUR = {"name": DEVICE, "neighbour": ADDRESS, "proxy": BOOLEAN}
_ROUTE = {
    "name": DEVICE,
    "destination": NETWORK,
    "gateway": optional(of_ipv4(ADDRESS)),
    "table": integer(1, 2**32 - 1),
    "metric": optional(WORD),
    "protocol": BYTE,
    "scope": BYTE,
    "source": optional(of_ipv4(ADDRESS)),
    "tos": BYTE,
    "onlink": BOOLEAN,
    "kind": integer(1, 5),
    # The examples use an IPv4 route.
    "preference": Kind((None,), (0, 1, 2, 3, 4, -1, True, "1", 1.0)),
    "expires": Kind((None,), (0, 1, -1, 2**32, True, "1", 1.0)),
    "learned": Kind((False,), (True, *BOOLEAN.bad)),
    "metrics": METRICS,
}
#: Texts that need no quotes in a rule.
_PLAIN = Kind(
    ("a", "x" * 15, "eth0.100", "tap-1_b@c", "a+b", "123"),
    ("+", "a+", *DEVICE.bad, "é", "-a", "a'b"),
)
_RULES = {"name": _PLAIN, "ipv6": BOOLEAN}
_USER = {"name": DEVICE, "user": TEXT}

FIELDS: dict[str, dict[str, Kind]] = {
    "DeleteAddress": _ADDRESS,
    "DeleteBridge": _DELETION | {"when_empty": BOOLEAN},
    "DeleteLink": _DELETION | {"only_unattached": BOOLEAN},
    "DeleteNeighbour": _NEIGHBOUR,
    "EnsureNeighbour": _NEIGHBOUR
    | {
        "lladdr": optional(MAC),
        "state": Kind((0, 4, 64, 128), (1, 2, 8, 16, 32, 68, 129, -1, "128", None, True, 4.0)),
        "flags": Kind((0, 0x10, 0x80, 0x90), (-1, 8, 0x91, 2**32, "0", None, True, 16.0)),
        "extended": Kind((0, 1, 2, 3), (-1, 4, "0", None, True, 1.0)),
        "protocol": optional(BYTE),
    },
    "SetInheritedSysctl": {
        "name": DEVICE,
        "family": Kind(("ipv4", "ipv6"), ("", "ipv5", "../ipv4", *_NO_TEXT)),
        "parameter": Kind(
            ("forwarding", "accept_redirects"), ("", "disable_ipv6", "../forwarding", *_NO_TEXT)
        ),
        "value": integer(-(2**31), 2**31 - 1),
    },
    "SetBridgeAddress": {"name": DEVICE, "mac": MAC},
    "DeleteRoute": _ROUTE,
    "EnsureAddress": _ADDRESS
    | {
        "broadcast": optional(of_ipv4(ADDRESS)),
        "scope": integer(0, 254),
        "label": optional(LABEL),
        "metric": optional(integer(1, 2**32 - 1)),
        # IFA_F_HOMEADDRESS, IFA_F_MANAGETEMPADDR, IFA_F_NOPREFIXROUTE, IFA_F_MCAUTOJOIN
        "flags": Kind(
            (0, 0x10, 0x100, 0x200, 0x400, 0x710), (-1, 0x711, 2**32, "0", None, True, 16.0)
        ),
        "valid": optional(SECONDS),
        "preferred": optional(SECONDS),
        "protocol": optional(BYTE),
    },
    "EnsureBridge": {
        "name": DEVICE,
        "forward_delay": WORD,
        "stp": BOOLEAN,
        "multicast_snooping": BOOLEAN,
        "ageing": optional(integer(0, (2**32 - 1) // 100)),
        "address": optional(MAC),
    },
    "DeleteBondMember": {"name": DEVICE, "bond": DEVICE},
    "EnsureBond": {
        "name": DEVICE,
        "mode": Kind(
            (
                "balance-rr",
                "active-backup",
                "balance-xor",
                "broadcast",
                "802.3ad",
                "balance-tlb",
                "balance-alb",
            ),
            ("", "bridge", "1", *_NO_TEXT),
        ),
        "miimon": integer(1, 2**31 - 1),
    },
    "EnsureBondMember": {"name": DEVICE, "bond": DEVICE},
    "EnsureDummy": {"name": DEVICE, "address": optional(MAC)},
    "EnsureIpvlan": {
        "name": DEVICE,
        "link": DEVICE,
        "mode": Kind(("l2", "l3", "l3s"), ("", "bridge", "L2", "0", *_NO_TEXT)),
    },
    "EnsureVrf": {
        "name": DEVICE,
        "table": Kind(
            (1, 252, 256, 2**32 - 1), (0, -1, 253, 254, 255, 2**32, "10", None, True, 10.0)
        ),
    },
    "EnsureVxlan": {
        "name": DEVICE,
        "vni": integer(0, 2**24 - 1),
        "port": integer(1024, 2**16 - 1),
        "local": optional(Kind(HOST.good, (*HOST.bad, "239.1.1.1", "ff02::1"))),
        "remote": optional(also(HOST, "239.1.1.1", "ff02::1")),
        "link": optional(DEVICE),
        "learning": BOOLEAN,
    },
    "EnsureMacvlan": {"name": DEVICE, "link": DEVICE, "mode": MODE, "tap": BOOLEAN},
    "EnsureRoute": _ROUTE | {"replaces": optional(DEVICE), "append": BOOLEAN},
    "EnsureTap": {"name": DEVICE, "multiqueue": BOOLEAN, "address": optional(MAC)},
    "EnsureVeth": {"name": DEVICE, "peer": DEVICE, "mtu": optional(MTU)},
    "EnsureVlan": {"name": DEVICE, "link": DEVICE, "vlan_id": integer(1, 4094)},
    "EnsureForwardingRules": _RULES
    | {
        "interfaces": INTERFACES,
        "default_target": CHAIN,
        "keep_above": EXPRESSION,
        "keep_below": EXPRESSION,
    },
    "AddBridgeUser": _USER,
    "RemoveBridgeUser": _USER,
    "Irreversible": {"name": DEVICE, "description": line(400)},
    "MoveLink": {"name": DEVICE, "netns": FILE},
    "DeleteForwardingRules": _RULES | {"only_noted": BOOLEAN},
    "RenameLink": {"name": DEVICE, "to": DEVICE, "restore_name": BOOLEAN, "missing_ok": BOOLEAN},
    "RestoreForwardingRules": _RULES | {"rules": RULES, "jumps": JUMPS, "kept": KEPT},
    "RestoreLink": {
        "name": DEVICE,
        "flags": optional(WORD),
        "alternative_names": Kind(
            (None, (), ("a",), ["a", "b" * 127]),
            ("a", ("",), ("b" * 128,), (7,), (None,), ("a",) * 65, 7, True, {"a"}),
        ),
        "gateways": Kind(
            (None, (), ("10.7.0.1/24",), ["10.7.0.1/24", "2001:db8::1/64"]),
            ("10.7.0.1/24", ("10.7.0.1",), (7,), (None,), ("10.7.0.1/24",) * 65, True),
        ),
        **dict.fromkeys(("ipv4", "ipv6", "data", "port"), PACKED),
    },
    "DeleteVdpa": {"name": VDPA, "management_device": MANAGEMENT, "mac": optional(MAC)},
    "EnsureVdpa": {"name": VDPA, "management_device": MANAGEMENT, "mac": optional(MAC)},
    "WriteVifRecord": dict.fromkeys(("vif_id", "instance_uuid", "instance_name", "plugin"), TEXT)
    | {
        "owner": line(64),
        "document": line(65_536),
        "since": optional(Kind((0, 0.5, 2**40 - 1), (-1, 2**40, True, "1", float("nan")))),
        "keep_owner": BOOLEAN,
        "uid": optional(integer(0, 2**32 - 1)),
        "netns": optional(line(1024)),
        "netns_id": optional(TEXT),
        "ifname": optional(TEXT),
    },
    "DeleteVifRecord": {"vif_id": TEXT, "plugin": TEXT},
    "RequireVifMark": {"vif_id": TEXT, "token": KEPT, "plugin": TEXT},
    "ReleaseVf": {"pci_address": PCI, "user": TEXT},
    "SetVf": {
        "name": DEVICE,
        "number": integer(0, 2**32 - 1),
        "pci_address": optional(PCI),
        "user": optional(TEXT),
        "mac": optional(MAC),
        "vlan": optional(integer(0, 4094)),
        "vlan_qos": optional(integer(0, 7)),
        "vlan_proto": optional(PROTOCOL),
        "trusted": optional(BOOLEAN),
        "spoof_check": optional(BOOLEAN),
        "min_tx_rate": optional(integer(0, 2**32 - 1)),
        "max_tx_rate": optional(integer(0, 2**32 - 1)),
        "link_state": optional(LINK_STATE),
        "link": optional(DEVICE),
        "link_ipv6": optional(BOOLEAN),
        "link_up": optional(BOOLEAN),
        "link_address": optional(MAC),
    },
    "SetLink": {
        "name": DEVICE,
        "mtu": optional(MTU),
        "up": optional(BOOLEAN),
        "address": optional(MAC),
        "promiscuous": optional(BOOLEAN),
        "master": optional(also(DEVICE, "")),
        "alias": optional(TEXT),
        "group": optional(Kind((0, 7, 2**31 - 1), (-1, CREATING_GROUP, 2**31, "7", True, 7.0))),
        "txqueuelen": optional(integer(0, 2**31 - 1)),
        "missing_ok": BOOLEAN,
    },
    "SetSysctl": {
        "name": DEVICE,
        "key": KEY,
        "value": integer(-(2**31), 2**31 - 1),
        "only_managed": BOOLEAN,
    },
}

#: The values of fields without a default, in examples of another field.
USUAL = {
    "name": "br0",
    "address": "192.0.2.1/24",
    "destination": "192.0.2.0/24",
    "neighbour": "192.0.2.1",
    "mac": "fa:16:3e:00:00:01",
    "peer": "veth1",
    "to": "tap1",
    "link": "eth0",
    "vlan_id": 10,
    "vni": 5,
    "table": 10,
    "bond": "bond0",
    "user": "vif-1",
    "vif_id": "vif-1",
    "owner": "nova",
    "document": "{}",
    "description": "a veth device",
    "netns": "ns1",
    "key": "arp_ignore",
    "family": "ipv6",
    "parameter": "forwarding",
    "value": 1,
    "number": 3,
    "pci_address": "0000:03:00.2",
    "management_device": "pci/0000:03:00.2",
}
#: The values of fields that are required beside a field.
BESIDE = {
    **{field: {"vlan": 42} for field in ("vlan_qos", "vlan_proto")},
    # A multicast group needs a device.
    "remote": {"link": "eth1"},
    **{field: {"link": "eth1"} for field in ("link_ipv6", "link_up", "link_address")},
}
CASES = [(step, field) for step, fields in FIELDS.items() for field in fields]


def make(name: str, field: str, value: Any) -> Any:
    """Return a step with a value for a field, and usual values for required fields."""
    given = {
        other.name: USUAL[other.name]
        for other in dataclasses.fields(STEPS[name])
        if other.default is dataclasses.MISSING
    }
    return STEPS[name](**(given | BESIDE.get(field, {}) | {field: value}))


def accepted(name: str, field: str, values: tuple[Any, ...]) -> list[Any]:
    """Return the values that a step accepts; the error of a refused value names the field."""
    taken, named = [], {(name, field)}
    for value in values:
        try:
            make(name, field, value)
        except exception.InvalidStep as error:
            named.add((error.kwargs["step"], error.kwargs["field"]))
        else:
            taken.append(value)
    assert named == {(name, field)}
    return taken


def test_every_field_of_every_step_is_tried_here():
    """An added field needs an example in this module."""
    assert {name: {f.name for f in dataclasses.fields(step)} for name, step in STEPS.items()} == {
        name: set(fields) for name, fields in FIELDS.items()
    }


@pytest.mark.parametrize(("step", "field"), CASES)
def test_a_field_takes_what_it_is_for(step, field):
    """The limits of the range are valid."""
    good = FIELDS[step][field].good
    assert accepted(step, field, good) == list(good)


@pytest.mark.parametrize(("step", "field"), CASES)
def test_a_field_takes_nothing_else(step, field):
    """Other types, other spellings and values beyond the limits are refused."""
    assert accepted(step, field, FIELDS[step][field].bad) == []


@pytest.mark.parametrize("pattern", ["a{4294967296}", "(" * 20000], ids=len)
@pytest.mark.parametrize("field", ["keep_above", "keep_below"])
def test_an_expression_that_cannot_be_used_is_refused(field, pattern):
    """Too many repetitions and too deep nesting are refused with the name of the field."""
    with pytest.raises(exception.InvalidStep) as info:
        EnsureForwardingRules("br0", **{field: pattern})
    assert info.value.kwargs["field"] == field


@pytest.mark.parametrize("pattern", ["a{4294967296}", "(" * 20000], ids=len)
def test_the_privileged_side_answers_such_an_expression_with_data(pattern):
    """The daemon returns an error as data."""
    # The second step is invalid, so no step is applied to the host.
    answer = run([["EnsureForwardingRules", {"name": "br0", "keep_above": pattern}], None])
    assert answer["error"]["step"] == "message"
    assert answer["undo"] == []


@given(name=st.text(max_size=20) | st.binary().map(lambda data: data.decode(errors="replace")))
def test_what_is_taken_as_a_name_the_kernel_takes(name):
    """A valid name satisfies dev_valid_name() of net/core/dev.c, and is a single word."""
    if limits.is_device_name(name):
        assert 0 < len(name.encode()) < 16
        assert name.split() == [name]
        assert not set(name) & set("/:%\0\n")
        assert SetLink(name).device == name
    else:
        with pytest.raises(exception.InvalidStep, match="SetLink: name is"):
            SetLink(name)


@given(mtu=st.integers() | st.booleans() | st.floats() | st.none() | st.text(max_size=4))
def test_an_mtu_of_a_network_is_what_ethernet_can_have(mtu):
    """The range is ETH_MIN_MTU to ETH_MAX_MTU; other types are refused."""
    assert limits.is_mtu(mtu) == (type(mtu) is int and 68 <= mtu <= 65535)
