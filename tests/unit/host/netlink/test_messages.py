# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Our link messages, held against pyroute2: each side reads what the other one writes."""

from __future__ import annotations

import contextlib
import errno
import functools
import signal
import struct
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroute2.netlink import nlmsgerr
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from os_vif.host.netlink import messages, rtnetlink
from os_vif.steps import DeleteLink, EnsureBridge, EnsureVeth, EnsureVlan
from os_vif.steps.link.move_link import MoveLink
from tests.support.generated.netlink_messages import encoded_message
from tests.support.generated.steps import any_step, macs, names, printable_text

#: linux/rtnetlink.h, linux/netlink.h
NEW, DELETE, GET, NEW_NSID, GET_NSID, ERROR, DONE = 16, 17, 18, 88, 90, 2, 3
ASK, CHANGE, MAKE, DUMP, MULTI = 0x1, 0x5, 0x605, 0x301, 0x2
NO_STATS = {"IFLA_EXT_MASK": 8}
MARKED = {"IFLA_IFALIAS": "os-vif", "IFLA_GROUP": 0}
MAKING = {"IFLA_GROUP": int.from_bytes(b"osvf", "big")}
#: That there are attributes within an attribute. We say so; the kernel may.
NESTED = 0x8000
#: The number of another namespace.
THERE = 7

_bytes = st.integers(0, 2**8 - 1)
_shorts = st.integers(0, 2**16 - 1)
_words = st.integers(0, 2**32 - 1)
_signed = st.integers(-(2**31), 2**31 - 1)
_positive = st.integers(1, 2**31 - 1)


class Sent(NamedTuple):
    """A message, as pyroute2 reads it."""

    type: int
    flags: int
    index: int
    attributes: dict[str, Any]
    #: Flags of the device, and which of them are meant.
    up: int = 0
    change: int = 0


def plain(message):
    """The attributes of a message by their names; each is there once."""
    found = {}
    for slot in message["attrs"]:
        name, value = slot[0], slot[1]
        assert name not in found
        assert name != "UNKNOWN"
        if isinstance(value, dict):
            assert slot.get_flags() == NESTED
            # Of the header within, that of a peer, nothing is set.
            assert not any(v for k, v in value.items() if k not in ("attrs", "state"))
            value = plain(value)
        found[name] = value
    return found


def received(data):
    """What pyroute2 makes of a message of ours. Nothing of it may be left over."""
    (kind,) = struct.unpack_from("=H", data, 4)
    message = (nsidmsg if kind in (NEW_NSID, GET_NSID) else ifinfmsg)(data)
    message.decode()
    header = message["header"]
    assert header["length"] == len(data)
    assert len(data) % 4 == 0
    assert (header["pid"], message.get("family", 0), message.get("ifi_type", 0)) == (0, 0, 0)
    index, *state = (message.get(field, 0) for field in ("index", "flags", "change"))
    return Sent(kind, header["flags"], index, plain(message), *state)


class Kernel:
    """What is on the other end of the socket: it reads and answers through pyroute2."""

    def __init__(self, *there):
        self.there = list(there)
        self.sent: list[Sent] = []
        self._answers: list[bytes] = []
        #: At first it has given the other namespace no number.
        self.nsid = 2**32 - 1

    def send(self, data):
        sent = received(data)
        self.sent.append(sent)
        (number,) = struct.unpack_from("=I", data, 8)
        self._answers.append(self._answer(sent, number))

    def recvmsg_into(self, buffers):
        answer = self._answers.pop(0)
        buffers[0][: len(answer)] = answer
        return len(answer), [], 0, None

    def _answer(self, sent, number):
        wanted = sent.attributes
        if sent.type == GET_NSID:
            nsid = {"rtgen_family": 0, "attrs": [("NETNSA_NSID", self.nsid)]}
            return encoded_message(nsidmsg, NEW_NSID, number, nsid)
        if sent.type == NEW_NSID:
            self.nsid = THERE
        if sent.type == GET and sent.flags & 0x300:
            elsewhere = "IFLA_IF_NETNSID" in wanted
            links = [self._link(name, number, MULTI) for name in self.there if not elsewhere]
            return b"".join([*links, encoded_message(nlmsgerr, DONE, number, {"error": 0}, MULTI)])
        if sent.type == GET:
            indices = dict(enumerate(self.there, 1))
            name = wanted.get("IFLA_IFNAME", indices.get(sent.index))
            if name in self.there and "IFLA_IF_NETNSID" not in wanted:
                return self._link(name, number)
            return encoded_message(nlmsgerr, ERROR, number, {"error": -errno.ENODEV})
        if sent.flags == MAKE:
            peer = wanted["IFLA_LINKINFO"]["IFLA_INFO_DATA"].get("VETH_INFO_PEER")
            self.there += [end["IFLA_IFNAME"] for end in (wanted, peer) if end]
        return encoded_message(nlmsgerr, ERROR, number, {"error": 0})

    def _link(self, name, number, flags=0):
        fields = {"index": self.there.index(name) + 1, "attrs": [("IFLA_IFNAME", name)]}
        return encoded_message(ifinfmsg, NEW, number, fields, flags)


def wired(*there):
    """A netlink socket on whose other end is pyroute2, and that other end."""
    net = rtnetlink.Netlink()
    net.close()
    net._socket._socket = kernel = Kernel(*there)
    return net, kernel


def asked(name):
    return Sent(GET, ASK, 0, {"IFLA_IFNAME": name} | NO_STATS)


def without_questions(kernel):
    """What was sent to change something."""
    return [sent for sent in kernel.sent if sent.type != GET]


@given(name=names, index=_positive, number=st.integers(0, 2**31 - 1))
def test_a_link_is_asked_for_by_name_or_index(name, index, number):
    """Here, or in a namespace that has a number; that there is none is an answer too."""
    net, kernel = wired()
    assert net.link(name) is None
    assert net.link_at(index) is None
    assert net.link_at(index, number) is None
    assert kernel.sent == [
        asked(name),
        Sent(GET, ASK, index, NO_STATS),
        Sent(GET, ASK, index, {"IFLA_IF_NETNSID": number} | NO_STATS),
    ]


@given(there=st.lists(names, max_size=3, unique=True), master=_positive)
def test_links_are_listed_all_or_by_their_master(there, master):
    """And read, one after the other, out of one datagram."""
    net, kernel = wired(*there)
    assert [(link.index, link.name) for link in net.links()] == list(enumerate(there, 1))
    bridge = mock.Mock(index=master)
    assert [link.name for link in net.ports(bridge)] == there
    assert kernel.sent == [
        Sent(GET, DUMP, 0, NO_STATS),
        Sent(GET, DUMP, 0, {"IFLA_MASTER": master} | NO_STATS),
    ]


@given(step=any_step("EnsureBridge"))
def test_a_bridge_is_made_with_its_settings(step: EnsureBridge):
    """At once, and marked thereafter."""
    net, kernel = wired()
    step.apply(net)
    data = {
        "IFLA_BR_FORWARD_DELAY": step.forward_delay,
        "IFLA_BR_STP_STATE": int(step.stp),
        "IFLA_BR_MCAST_SNOOPING": int(step.multicast_snooping),
    }
    if step.ageing is not None:
        data["IFLA_BR_AGEING_TIME"] = step.ageing * 100
    attributes = {"IFLA_IFNAME": step.name, **MAKING}
    if step.address is not None:
        attributes["IFLA_ADDRESS"] = step.address
    info = {"IFLA_INFO_KIND": "bridge", "IFLA_INFO_DATA": data}
    made, marked = without_questions(kernel)
    assert made == Sent(NEW, MAKE, 0, attributes | {"IFLA_LINKINFO": info})
    assert marked == Sent(NEW, CHANGE, 1, MARKED)


@given(step=any_step("EnsureVeth"))
def test_a_veth_pair_is_made_with_both_names(step: EnsureVeth):
    """The peer is a link message of its own."""
    net, kernel = wired()
    step.apply(net)
    common = MAKING | ({} if step.mtu is None else {"IFLA_MTU": step.mtu})
    peer = {"VETH_INFO_PEER": {"IFLA_IFNAME": step.peer} | common}
    info = {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": peer}
    made, *marked = without_questions(kernel)
    wanted = {"IFLA_IFNAME": step.name} | common | {"IFLA_LINKINFO": info}
    assert made == Sent(NEW, MAKE, 0, wanted)
    assert marked == [Sent(NEW, CHANGE, index, MARKED) for index in (1, 2)]


@pytest.mark.parametrize("name", ["EnsureVlan", "EnsureMacvlan"])
@given(data=st.data(), below=st.lists(names, max_size=5))
def test_a_device_is_made_on_another(name, data, below):
    """A VLAN with its number; a macvlan or macvtap device with its mode."""
    step = data.draw(any_step(name))
    others = [other for other in dict.fromkeys(below) if other not in (step.name, step.link)]
    net, kernel = wired(*others, step.link)
    step.apply(net)
    if isinstance(step, EnsureVlan):
        kind, settings = "vlan", {"IFLA_VLAN_ID": step.vlan_id}
    else:
        kind = "macvtap" if step.tap else "macvlan"
        settings = {f"IFLA_{kind.upper()}_MODE": step.mode}
    info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": settings}
    attributes = {"IFLA_IFNAME": step.name, "IFLA_LINK": len(others) + 1, "IFLA_LINKINFO": info}
    made, marked = without_questions(kernel)
    assert made == Sent(NEW, MAKE, 0, attributes | MAKING)
    assert marked == Sent(NEW, CHANGE, len(others) + 2, MARKED)


@given(
    index=_positive,
    values=st.fixed_dictionaries(
        {},
        optional={
            "master": st.integers(0, 2**31 - 1),
            "mtu": _positive,
            "address": macs,
            "alias": printable_text(255),
        },
    ),
    up=st.none() | st.booleans(),
    promiscuous=st.none() | st.booleans(),
)
def test_what_a_device_has_is_set(index, values, up, promiscuous):
    """Each attribute that is given, and each flag with its mask; the others are left alone."""
    net, kernel = wired()
    net.set(mock.Mock(index=index), **values, up=up, promiscuous=promiscuous)
    attributes = {
        {"alias": "IFLA_IFALIAS"}.get(key, f"IFLA_{key.upper()}"): value
        for key, value in values.items()
    }
    flags = (0x1 if up else 0) | (0x100 if promiscuous else 0)
    change = (0 if up is None else 0x1) | (0 if promiscuous is None else 0x100)
    assert kernel.sent == [Sent(NEW, CHANGE, index, attributes, flags, change)]


@given(name=names, index=_positive)
def test_a_device_is_deleted_by_its_index(name, index):
    """Nothing else is in the message."""
    net, kernel = wired()
    net.delete(mock.Mock(index=index))
    assert kernel.sent == [Sent(DELETE, CHANGE, index, {})]
    # One that is not there, or not ours, is not deleted.
    DeleteLink(name).apply(net)
    assert kernel.sent[1:] == [asked(name)]


@given(name=names, target=st.tuples(st.sampled_from(["PID", "FD"]), st.integers(0, 2**31 - 1)))
def test_a_device_is_moved_into_another_namespace(name, target):
    """By the id of a process, or a file; that namespace gets a number before, and keeps it."""
    kind, value = target
    # No device has such a name.
    net, kernel = wired("a/b", name)
    there = {f"NETNSA_{kind}": value}
    opened = contextlib.nullcontext(target)
    with mock.patch.object(MoveLink, "_namespace_attribute", return_value=opened):
        MoveLink(name, "guest").apply(net)
    assert kernel.sent == [
        Sent(GET_NSID, ASK, 0, there),
        Sent(NEW_NSID, CHANGE, 0, there | {"NETNSA_NSID": 2**32 - 1}),
        Sent(GET_NSID, ASK, 0, there),
        asked(name),
        Sent(GET, ASK, 0, {"IFLA_IF_NETNSID": THERE, "IFLA_IFNAME": name} | NO_STATS),
        Sent(NEW, CHANGE, 2, {f"IFLA_NET_NS_{kind}": value}),
    ]


#: Values for pyroute2's types of attributes.
TYPES = {
    "uint8": _bytes,
    "uint16": _shorts,
    "be16": _shorts,
    "uint32": _words,
    "be32": _words,
    "int32": _signed,
    "uint64": st.integers(0, 2**64 - 1),
    "l2addr": macs,
    "asciiz": printable_text(40),
    "hex": st.binary(max_size=40),
    "netns_fd": _words,
    "ifstats64": st.fixed_dictionaries({"rx_packets": _words, "tx_bytes": _words}),
    "state": st.sampled_from(["UP", "DOWN", "UNKNOWN"]),
    "mode": st.sampled_from(["private", "vepa", "bridge", "passthru"]),
    "proplist": names.map(lambda name: {"attrs": [("IFLA_ALT_IFNAME", name)]}),
    "vlan_flags": st.just({"flags": 1, "mask": 0xFFFFFFFF}),
}
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


def numbered(cls):
    """The attributes that pyroute2 knows of a message: number, name and type."""
    for number, entry in enumerate(cls.nla_map):
        yield entry if isinstance(entry[0], int) else (number, *entry)


@functools.cache
def attributes_of(cls):
    """Random attributes of a message, in random order: those that we know, and others."""
    pairs = [
        st.tuples(st.just(name), TYPES[type_])
        for _, name, type_ in numbered(cls)
        # The upper half of the number is not the kernel's to use.
        if type_ in TYPES and name != "IFLA_IF_NETNSID"
    ]
    pairs += [st.tuples(st.just("IFLA_IF_NETNSID"), _positive)] if cls is ifinfmsg else []
    return st.lists(st.one_of(pairs), unique_by=lambda pair: pair[0], max_size=20)


def known(attributes, names=None):
    """What of pyroute2's attributes we are to read: all, or those of some names."""
    found = {name: value for name, value in attributes if names is None or name in names}
    return {n: MODES[v] if n.endswith("_MODE") and v in MODES else v for n, v in found.items()}


KINDS = ifinfmsg.ifinfo.data_map
#: Kinds that we read into, and some that we do not.
READ = ["bridge", "macvlan", "macvtap", "tun", "vlan", "vxlan"]


def _attribute(number, data):
    return struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)


#: One of a number that nobody uses, or none.
_unknown = st.just(b"") | st.builds(_attribute, st.integers(1000, 0x3FFF), st.binary(max_size=30))


@pytest.mark.parametrize("kind", [None, *READ])
@settings(max_examples=50)
@given(data=st.data())
def test_a_link_is_read_as_pyroute2_wrote_it(kind, data):
    """Index, flags and what we know, whatever else is between, before and after."""
    attributes = data.draw(attributes_of(ifinfmsg))
    expected = known(attributes, rtnetlink.LINK_ATTRIBUTES)
    if kind is not None:
        inner = data.draw(attributes_of(KINDS[kind]))
        info = [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": inner})]
        slave = data.draw(attributes_of(ifinfmsg.ifinfo.bridge_slave_data))
        info += [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": slave})]
        info += [("IFLA_INFO_XSTATS", b"\0" * 8)]
        link_info = ("IFLA_LINKINFO", {"attrs": info}, data.draw(st.sampled_from([0, NESTED])))
        attributes.insert(data.draw(st.integers(0, len(attributes))), link_info)
        expected["IFLA_LINKINFO"] = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": known(inner)}
    index, flags = data.draw(_positive), data.draw(_words)
    fields = {"index": index, "flags": flags, "attrs": attributes}
    message = encoded_message(ifinfmsg, NEW, 1, fields)
    message = message[:32] + data.draw(_unknown) + message[32:] + data.draw(_unknown)
    body = message[16:]
    found = rtnetlink.LINK_READER.read(body)
    if kind is not None:
        info = found["IFLA_LINKINFO"]
        found["IFLA_LINKINFO"] = {n: info[n] for n in ("IFLA_INFO_KIND", "IFLA_INFO_DATA")}
    header = messages.LINK.fields(body)
    assert (header["index"], header["flags"], found) == (index, flags, expected)


def test_a_link_has_what_its_message_says():
    """As the rest of os-vif sees it."""
    info = {"attrs": [("IFLA_INFO_KIND", "vlan"), ("IFLA_INFO_DATA", VLAN)]}
    texts = [("IFLA_IFNAME", "eth0.10"), ("IFLA_IFALIAS", "os-vif")]
    numbers = [("IFLA_MTU", 1450), ("IFLA_MASTER", 5), ("IFLA_LINK", 2), ("IFLA_GROUP", 9)]
    others = [("IFLA_LINK_NETNSID", 0), ("IFLA_ADDRESS", "fa:16:3e:00:00:01")]
    attributes = [*texts, *numbers, *others, ("IFLA_LINKINFO", info)]
    fields = {"index": 3, "flags": 0x101, "attrs": attributes}
    link = rtnetlink.parse_link(encoded_message(ifinfmsg, NEW, 1, fields)[16:])
    assert link == rtnetlink.Link(
        *(
            3,
            "eth0.10",
            "vlan",
            1450,
            True,
            False,
            True,
            5,
            2,
            0,
            "os-vif",
            9,
            "fa:16:3e:00:00:01",
        ),
        {"IFLA_VLAN_ID": 10, "IFLA_VLAN_PROTOCOL": 0x8100},
    )
    assert link.data == {"IFLA_VLAN_ID": 10, "IFLA_VLAN_PROTOCOL": 0x8100}
    assert link.is_managed


VLAN = {"attrs": [("IFLA_VLAN_ID", 10), ("IFLA_VLAN_PROTOCOL", 0x8100)]}


@pytest.mark.parametrize("attribute", ["IFLA_IFNAME", "IFLA_IFALIAS"])
def test_a_text_that_is_no_utf8_hides_no_link(attribute):
    """The kernel takes any bytes: a device of somebody else's must not break a list of all."""
    attributes = {"IFLA_IFNAME": b"tap1"} | {attribute: b"tap\xff"}
    fields = {"index": 3, "attrs": list(attributes.items())}
    assert rtnetlink.parse_link(encoded_message(ifinfmsg, NEW, 1, fields)[16:]).index == 3


@contextlib.contextmanager
def seconds(limit):
    """What is done here ends within that time."""

    def late(*_):
        raise AssertionError("it does not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


#: What is raised for a message that the kernel cannot have written.
_NO_LINK = (struct.error, UnicodeDecodeError, KeyError, ValueError, AttributeError, TypeError)


def _ends(data):
    # What is no link is an error, not a device.
    with seconds(5), contextlib.suppress(*_NO_LINK):
        attributes = messages.LINK.attributes(data)
        repr(attributes)
        rtnetlink.parse_link(data)


@given(garbage=st.binary(max_size=300))
def test_reading_garbage_ends(garbage):
    """Whatever the lengths in it say."""
    for data in (garbage, bytes(16) + garbage, bytes(16) + _attribute(18, garbage)):
        _ends(data)


@given(data=st.data())
def test_reading_what_was_cut_or_changed_ends(data):
    """At any place, and with any byte changed."""
    info = {"attrs": [("IFLA_INFO_KIND", "vlan"), ("IFLA_INFO_DATA", VLAN)]}
    attributes = [("IFLA_LINKINFO", info), ("IFLA_IFNAME", "eth0.10"), ("IFLA_MTU", 1450)]
    message = bytearray(encoded_message(ifinfmsg, NEW, 1, {"index": 3, "attrs": attributes})[16:])
    place = data.draw(st.integers(16, len(message) - 1))
    _ends(bytes(message[:place]))
    message[place] = data.draw(_bytes)
    _ends(bytes(message))
