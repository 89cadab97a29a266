# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The netlink codec against the encoder and the decoder of pyroute2, attribute by attribute."""

from __future__ import annotations

import functools
import socket
import struct
import subprocess
import sys
from types import FunctionType

import pyroute2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2 import netlink as theirs
from pyroute2.netlink.devlink import devlinkcmd
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from os_vif.host.netlink import codec, fallback, messages, supplement, uapi

CLASSES = (
    ifinfmsg, ifaddrmsg, rtmsg, ndmsg, fibmsg, nsidmsg, devlinkcmd, theirs.ctrlmsg, theirs.nlmsgerr
)  # fmt: skip
MESSAGES = {cls: messages.Message(cls.__module__, cls.__name__) for cls in CLASSES}
LINK = MESSAGES[ifinfmsg]
KINDS = sorted(set(ifinfmsg.ifinfo.data_map) - {"bridge_slave"})
NESTED = 0x8000
#: How deep attributes are nested in a message.
DEPTH = 4

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)
macs = st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))
v4, v6 = (st.ip_addresses(v=v).map(str) for v in (4, 6))
blobs = st.binary(min_size=1, max_size=20)


def same(strategy):
    """A value that is the same in our notation and in that of pyroute2."""
    return strategy.map(lambda value: (value, value))


def integers(form):
    size = struct.calcsize(f"={form.lstrip('<>=')}") * 8
    if form[-1].islower():
        return st.integers(-(1 << size - 1), (1 << size - 1) - 1)
    return st.integers(0, (1 << size) - 1)


ATOMS = {
    "none": None,
    "hex": same(blobs),
    "cdata": same(blobs),
    "flag": None,
    "string": same(texts),
    "asciiz": same(texts),
    "ipaddr": same(v4 | v6),
    "ip4addr": same(v4),
    "ip6addr": same(v6),
    "target": same(v4),
    "l2addr": same(macs),
    "lladdr": same(macs),
    "mpls_target": None,
    "array": None,
}


def field(form):
    """The value of a field of a structure."""
    count = form.lstrip("<>=")[:-1]
    if count and form[-1] == "s":
        return same(st.binary(min_size=int(count), max_size=int(count)))
    if count and form[-1] == "B":
        size = int(count)
        return st.binary(min_size=size, max_size=size).map(lambda data: (data, list(data)))
    return same(integers(form))


def value_of(cls, depth):
    """Values of an attribute in both notations; None if only pyroute2's own code can make one."""
    if cls.__name__ in ATOMS:
        return ATOMS[cls.__name__]
    if not codec._is_standard(cls) or cls.__name__ in supplement.PLAIN_STRUCTURES:
        return None
    if not cls.nla_map:
        return payload(cls)
    return nest(cls, depth - 1) if depth and not isinstance(cls.nla_map, dict) else None


def payload(cls):
    """Values of a class without attributes."""
    forms = dict(cls.fields)
    if list(forms) == ["value"]:
        if cls.value_map:
            return st.sampled_from([pair for pair in cls.value_map.items() if pair[1] is not None])
        return same(integers(forms["value"])) if forms["value"] != "s" else same(blobs)
    named = {name: form for name, form in forms.items() if not form.endswith("x")}
    # The format of a field of rta_mfc_stats is "uint64", which is none.
    if not named or any(form == "s" or form[-1].isdigit() for form in named.values()):
        return None
    pairs = st.fixed_dictionaries({name: field(form) for name, form in named.items()})
    return pairs.map(
        lambda found: tuple({n: p[side] for n, p in found.items()} for side in (0, 1))
    )


@functools.cache
def strategies(cls, depth):
    """Values in both notations, by the names of the attributes of a class."""
    found = {}
    for _, name, type_, _ in codec.entries(cls):
        bare = type_.split("(")[0].split("|")[0].strip()
        attribute = cls if bare in ("nested", "recursive") else getattr(cls, bare.lstrip("*"))
        if isinstance(attribute, FunctionType) or name in supplement.TYPES:
            continue
        strategy = value_of(attribute, depth)
        if strategy is not None:
            found[name] = lists(strategy) if bare.startswith("*") else strategy
    return found


def lists(strategy):
    pairs = st.lists(strategy, min_size=1, max_size=3)
    return pairs.map(lambda found: tuple([pair[side] for pair in found] for side in (0, 1)))


def nest(cls, depth=DEPTH):
    """Some attributes of a class, in both notations."""
    known = strategies(cls, depth)
    if not known:
        return None
    numbers = {name: kind for kind, name, _, _ in codec.entries(cls)}
    one = st.sampled_from(sorted(known)).flatmap(
        lambda name: known[name].map(lambda pair: (name, *pair))
    )
    chosen = st.lists(one, min_size=1, max_size=6, unique_by=lambda found: numbers[found[0]])
    return chosen.map(
        lambda found: (
            {name: ours for name, ours, _ in found},
            {"attrs": [(name, other) for name, _, other in found]},
        )
    )


def theirs_packed(cls, values, **fields):
    """The body of a message that pyroute2 has encoded."""
    message = cls()
    message.update({name: 0 for name, form in cls.fields if not form.endswith("x")})
    message.update(fields, **values)
    message.encode()
    return bytes(message.data[16:])


def read_by_pyroute2(cls, body):
    message = cls(struct.pack("=IHHII", 16 + len(body), 0, 0, 0, 0) + body)
    message.decode()
    return fallback.from_pyroute2(message)


def plain(value):
    if isinstance(value, codec.Attributes):
        assert value.unknown() == []
        return {name: plain(item) for name, item in (value.fields() | dict(value)).items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def family_of(cls):
    return {"family": socket.AF_INET} if cls.fields[0][0] == "family" else {}


def decoded(cls, body):
    """What pyroute2 finds in a body, in pyroute2's notation."""
    found = read_by_pyroute2(cls, body)
    return {name: value for name, value in found.items() if name.isupper()}


def check(cls, ours, other, **fields):
    """Both encoders write the same, and each decoder reads what the other one wrote."""
    message, fields = MESSAGES[cls], family_of(cls) | fields
    by_us, by_them = message.pack(ours, **fields), theirs_packed(cls, other, **fields)
    assert decoded(cls, by_us) == decoded(cls, by_them)
    assert plain(message.attributes(by_us)) == plain(message.attributes(by_them))
    expected = message.attributes(by_us)
    assert plain(expected).items() >= ours.items()
    for name, value in fields.items():
        assert message.fields(by_them)[name] == value


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=60)
@given(data=st.data())
def test_both_codecs_write_and_read_the_same_attributes(cls, data):
    ours, other = data.draw(nest(cls))
    check(cls, ours, other)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_both_codecs_write_and_read_the_settings_of_each_kind_of_link(kind, data):
    settings_of = nest(ifinfmsg.ifinfo.data_map[kind])
    if settings_of is None:
        # Of a veth device the peer is a link message: see below.
        assert kind == "veth"
        return
    ours, other = data.draw(settings_of)
    info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": ours}
    attributes = [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", other)]
    check(ifinfmsg, {"IFLA_LINKINFO": info}, {"attrs": [("IFLA_LINKINFO", {"attrs": attributes})]})


@settings(max_examples=25)
@given(data=st.data(), index=st.integers(0, 2**31 - 1))
def test_the_peer_of_a_veth_device_is_a_link_message(data, index):
    ours, _ = data.draw(nest(ifinfmsg, 2))
    peer = {"VETH_INFO_PEER": {"index": index, **ours}}
    info = {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": peer}
    body = LINK.pack({"IFLA_LINKINFO": info})
    read = LINK.attributes(body)["IFLA_LINKINFO"]["IFLA_INFO_DATA"]["VETH_INFO_PEER"]
    assert read.fields()["index"] == index
    assert plain(read).items() >= ours.items()
    found = decoded(ifinfmsg, body)["IFLA_LINKINFO"]["IFLA_INFO_DATA"]["VETH_INFO_PEER"]
    assert found["index"] == index
    assert {name for name in found if name.startswith("IFLA_")} == set(ours)


def nested_classes(cls, seen):
    """Every class of pyroute2 below a message."""
    if cls in seen or isinstance(cls.nla_map, dict):
        return
    seen.add(cls)
    for _, _, type_, _ in codec.entries(cls):
        bare = type_.split("(")[0].split("|")[0].strip().lstrip("*")
        if bare not in ("nested", "recursive"):
            attribute = getattr(cls, bare)
            if not isinstance(attribute, FunctionType):
                nested_classes(attribute, seen)
    for kind in getattr(cls, "data_map", {}).values():
        nested_classes(kind, seen)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_attribute_that_pyroute2_knows_has_a_codec_with_its_number(cls):
    """In the message itself, and in each class below it."""
    seen = set()
    nested_classes(cls, seen)
    assert cls in seen
    for below in seen:
        table = codec.Table(below)
        for number, name, _, _ in codec.entries(below):
            assert table.number(name) == number
            table.compile_encoder(name)


@pytest.mark.parametrize(
    ("cls", "attributes", "fields"),
    [
        (ifinfmsg, {"IFLA_OPERSTATE": "UP", "IFLA_NET_NS_FD": 7}, {}),
        (ifinfmsg, {"IFLA_AF_SPEC": {"AF_INET6": {"IFLA_INET6_TOKEN": "::1"}}}, {}),
        (
            ifinfmsg,
            {"IFLA_AF_SPEC": {"IFLA_BRIDGE_MODE": 1, "IFLA_BRIDGE_VLAN_INFO": {"flags": 2, "vid": 5}}},
            {"family": socket.AF_BRIDGE if hasattr(socket, "AF_BRIDGE") else 7},
        ),
        (ifinfmsg, {"IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": "a-long-name-of-a-device"}}, {}),
        (ifinfmsg, {"IFLA_LINKINFO": {"IFLA_INFO_SLAVE_KIND": "bridge",
                                      "IFLA_INFO_SLAVE_DATA": {"IFLA_BRPORT_COST": 5}}}, {}),
        (rtmsg, {"RTA_DST": "2001:db8::", "RTA_GATEWAY": "fe80::1"}, {"family": socket.AF_INET6}),
        (rtmsg, {"RTA_VIA": {"family": socket.AF_INET6, "addr": "fe80::1"}}, {}),
        (rtmsg, {"RTA_ENCAP_TYPE": 1, "RTA_ENCAP": {"MPLS_IPTUNNEL_TTL": 9}}, {}),
        (fibmsg, {"FRA_SPORT_RANGE": "1000:2000", "FRA_UID_RANGE": "0:5"}, {}),
    ],
)  # fmt: skip
def test_attributes_that_pyroute2_encodes_in_its_own_way(cls, attributes, fields):
    message = MESSAGES[cls]
    fields = family_of(cls) | fields
    body = message.pack(attributes, **fields)
    found = decoded(cls, body)
    for name, value in attributes.items():
        assert plain(message.attributes(body)[name]) == value or name == "IFLA_AF_SPEC"
        assert plain(message.attributes(body)[name]).keys() >= value.keys() if isinstance(
            value, dict) else True  # fmt: skip
        assert name in found


def test_next_hops_are_a_list():
    hops = [
        {"flags": 0, "hops": 3, "oif": 2, "RTA_GATEWAY": "192.0.2.1"},
        {"flags": 4, "hops": 0, "oif": 5, "RTA_GATEWAY": "192.0.2.2"},
    ]
    message = MESSAGES[rtmsg]
    body = message.pack({"RTA_MULTIPATH": hops}, family=socket.AF_INET)
    assert message.attributes(body)["RTA_MULTIPATH"] == hops
    found = decoded(rtmsg, body)["RTA_MULTIPATH"]
    assert [(hop["oif"], hop["hops"], hop["RTA_GATEWAY"]) for hop in found] == [
        (2, 3, "192.0.2.1"), (5, 0, "192.0.2.2"),
    ]  # fmt: skip


def test_settings_of_a_virtual_function_are_read_by_pyroute2():
    mac = bytes.fromhex("fa163e000001")
    info = {
        "IFLA_VF_MAC": {"vf": 3, "mac": mac},
        "IFLA_VF_RATE": {"vf": 3, "min_tx_rate": 10, "max_tx_rate": 20},
        "IFLA_VF_VLAN_LIST": {
            "IFLA_VF_VLAN_INFO": {"vf": 3, "vlan": 100, "qos": 2, "proto": uapi.ETH_P_8021AD}
        },
    }
    body = LINK.pack({"IFLA_VFINFO_LIST": {"IFLA_VF_INFO": info}})
    found = decoded(ifinfmsg, body)["IFLA_VFINFO_LIST"]["IFLA_VF_INFO"]
    assert found["IFLA_VF_MAC"] == {"vf": 3, "mac": mac.hex(":")}
    assert found["IFLA_VF_RATE"] == info["IFLA_VF_RATE"]
    vlan = found["IFLA_VF_VLAN_LIST"]["IFLA_VF_VLAN_INFO"]
    assert vlan == {"vf": 3, "vlan": 100, "qos": 2, "proto": 0x88A8}


def test_a_structure_has_the_size_that_the_kernel_asks_for():
    """do_setvfinfo() of net/core/rtnetlink.c refuses a shorter ``struct ifla_vf_vlan_info``."""
    table = codec.Table(ifinfmsg.vflist.vfinfo.vf_vlist)
    _, encode = table.encoders["IFLA_VF_VLAN_INFO"]
    assert encode is not None
    assert len(encode({"vf": 1})) == 16


def test_an_alias_has_no_terminating_zero():
    body = LINK.pack({"IFLA_IFALIAS": "os-vif"})
    assert body.endswith(b"os-vif\0\0")
    assert struct.unpack_from("=H", body, LINK.size) == (4 + len("os-vif"),)


def test_bytes_of_a_name_in_no_encoding_are_kept():
    body = LINK.pack({"IFLA_IFNAME": "a\udcff"})
    assert b"a\xff\0" in body
    assert LINK.attributes(body)["IFLA_IFNAME"] == "a\udcff"


def test_an_attribute_that_repeats_has_each_value():
    two = LINK.pack({"IFLA_IFNAME": "one"}) + LINK.table.pack({"IFLA_IFNAME": "two"})
    found = LINK.attributes(two)
    assert (found["IFLA_IFNAME"], found.all("IFLA_IFNAME")) == ("two", ["one", "two"])


def test_a_reader_finds_what_all_attributes_have():
    values = {"IFLA_IFNAME": "one", "IFLA_MTU": 1500, "IFLA_GROUP": 9}
    body = LINK.pack(values)
    assert LINK.reader("IFLA_MTU", "IFLA_IFNAME", "IFLA_MASTER").read(body) == {
        "IFLA_IFNAME": "one", "IFLA_MTU": 1500,
    }  # fmt: skip


@given(st.binary(max_size=60))
def test_bytes_that_are_no_attributes_end_the_walk(data):
    """A message of the kernel is well-formed; nothing else may loop for ever."""
    places = list(codec.walk(data, 0, len(data)))
    assert len(places) <= len(data) // 4


def test_a_name_that_no_class_has_is_an_error():
    with pytest.raises(LookupError, match="ifinfmsg has no attribute IFLA_NONE"):
        LINK.pack({"IFLA_NONE": 1})
    with pytest.raises(LookupError, match="ifinfmsg has no attribute IFLA_NONE"):
        LINK.attributes(LINK.pack({})).get("IFLA_NONE")


def test_headers_are_those_of_pyroute2():
    forms = "".join(form for _, form in theirs.nlmsg.header)
    assert codec.HEADER.size == struct.calcsize(f"={forms}")
    assert codec.HEADER.format == f"={forms}"
    forms = "".join(form for _, form in theirs.nla_header.header)
    assert codec.ATTRIBUTE.format == f"={forms}"


@pytest.mark.parametrize(
    ("name", "value"),
    [("RTM_NEWLINK", 16), ("NLM_F_DUMP", 0x300), ("IFF_UP", 1), ("IFA_F_NODAD", 2),
     ("NUD_PERMANENT", 128), ("NTF_PROXY", 8), ("RTN_UNICAST", 1), ("RTPROT_STATIC", 4),
     ("RT_SCOPE_LINK", 253), ("RTNH_F_ONLINK", 4), ("DEVLINK_CMD_PORT_GET", 5),
     ("GENL_ID_CTRL", 16), ("RT_TABLE_MAIN", 254), ("RTM_GETNEXTHOP", 106), ("IFNAMSIZ", 16)],
)  # fmt: skip
def test_a_constant_is_the_kernel_s(name, value):
    assert getattr(uapi, name) == value


def test_a_constant_that_nobody_defines_is_an_error():
    with pytest.raises(AttributeError, match="neither pyroute2 nor"):
        _ = uapi.RTM_NOTHING


def test_the_installed_pyroute2_is_new_enough():
    assert tuple(map(int, pyroute2.__version__.split(".")[:2])) >= (0, 8)


_THREADS = """
import sys, threading
from os_vif.host.netlink import messages, uapi
sys.setswitchinterval(1e-5)
first_uses = [
    lambda: uapi.RTM_NEWLINK,
    lambda: uapi.RTN_UNICAST,
    lambda: messages.LINK.pack({"IFLA_MTU": 1}),
    lambda: messages.ROUTE.pack({"RTA_OIF": 1}),
    lambda: messages.DEVLINK.pack({}),
    lambda: messages.ERROR.size,
    messages.load,
]
barrier, failures = threading.Barrier(len(first_uses)), []

def use(first_use):
    barrier.wait()
    try:
        first_use()
    except BaseException as error:
        failures.append(repr(error))

threads = [threading.Thread(target=use, args=(first_use,)) for first_use in first_uses]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures)
"""


def test_several_threads_may_use_the_codec_first():
    """Python refuses imports of different modules of one package at the same time."""
    for _ in range(2):
        command = [sys.executable, "-W", "ignore", "-c", _THREADS]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout == "[]\n"
