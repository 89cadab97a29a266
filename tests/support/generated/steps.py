# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Hypothesis strategies for every step of the closed list."""

from __future__ import annotations

import dataclasses
import ipaddress

from hypothesis import assume
from hypothesis import strategies as st

from os_vif.host import limits
from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.steps.ip.sysctl import INHERITED
from os_vif.steps.wire import STEPS

#: Printable characters without white space.
_visible = st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/:%")


names = st.text(_visible, min_size=1, max_size=15).filter(limits.is_device_name)


_labels = names.filter(lambda name: len(name.encode()) <= 13).map(lambda name: f"{name}:1")


macs = st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))


def printable_text(longest):
    """Return a strategy for printable text of at most *longest* bytes."""
    printable = st.characters(codec="utf-8").filter(str.isprintable)
    words = st.text(printable, max_size=longest)
    return words.filter(lambda value: len(value.encode()) <= longest)


def _version(version):
    """Return strategies for IP addresses, addresses with a prefix length, and networks of a
    family.
    """
    bits = {4: 32, 6: 128}[version]
    addresses = st.ip_addresses(v=version)
    lengths = st.integers(0, bits)
    return (
        addresses.map(str),
        st.builds(lambda *pair: str(ipaddress.ip_interface(pair)), addresses, lengths),
        st.builds(lambda *pair: str(ipaddress.ip_network(pair, strict=False)), addresses, lengths),
    )


def _optional(values):
    return st.none() | values


_bytes = st.integers(0, 255)


_number = st.integers(0, 2**32 - 1)


_pci = st.from_regex(
    r"(?:[0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7}):[0-9a-f]{2}:[01][0-9a-f][.][0-7]", fullmatch=True
)


_mtus = _optional(st.integers(1, 2**31 - 1))


_indices = _optional(st.integers(1, 2**31 - 1))


_flag = st.booleans()


_files = names.map(lambda name: f"ns {name}")


#: Braces stand for the name of the bridge.
_bridge_rules = _optional(
    st.lists(
        st.sampled_from([("eth0", "{}", "ACCEPT"), ("{}", "", "REJECT"), ("", "{}", "X")]),
        max_size=3,
    ).map(tuple)
)


def _address(version, more=False):
    plain, interfaces, _ = _version(version)
    fields = {"name": names, "address": interfaces, "peer": _optional(interfaces)}
    if not more:
        return fields
    times = _optional(st.integers(0, 2**32 - 2))
    return fields | {
        "broadcast": _optional(plain),
        "scope": st.integers(0, 254),
        "label": _optional(names | _labels),
        "metric": _optional(st.integers(1, 2**32 - 1)),
        "flags": st.sampled_from([0, 0x10, 0x100, 0x200, 0x710]),
        "valid": times,
        "preferred": times,
        "protocol": _optional(_bytes),
    }


def _route(version, more=False):
    plain, _, networks = _version(version)
    fields = {
        "name": names,
        "destination": networks,
        "gateway": _optional(plain),
        "table": st.integers(1, 2**32 - 1),
        "metric": _optional(_number),
        "protocol": _bytes,
        "scope": _bytes,
        "source": _optional(plain),
        "tos": _bytes,
        "onlink": _flag,
        "kind": st.integers(1, 5),
        "metrics": st.sampled_from(["", "mtu lock 1400 hoplimit 64", "features ecn congctl bbr"]),
        # Only unicast IPv6 routes may be learned from a router advertisement.
        "learned": st.just(False),
        "preference": st.sampled_from([None, 1, 3]) if version == 6 else st.none(),
        "expires": _optional(st.integers(0, 2**32 - 2)) if version == 6 else st.none(),
    }
    return fields | ({"replaces": _optional(names), "append": _flag} if more else {})


def _neighbour(version, more=False):
    fields = {"name": names, "neighbour": _version(version)[0], "proxy": _flag}
    return fields | (
        {
            "lladdr": _optional(macs),
            "state": st.sampled_from([0, 4, 64, 128]),
            "flags": st.sampled_from([0, 0x10, 0x80, 0x90]),
            "extended": st.integers(0, 3),
            "protocol": _optional(_bytes),
        }
        if more
        else {}
    )


#: Words that need no quotes in a rule.
_plain = st.from_regex(r"[A-Za-z0-9_.@+=][A-Za-z0-9_.@+=-]{0,14}", fullmatch=True).filter(
    limits.is_device_name
)


_rules = {"name": _plain.filter(lambda name: not name.endswith("+")), "ipv6": _flag}


_user = {"name": names, "user": printable_text(255)}


_vdpa = {
    "name": st.from_regex("[A-Za-z0-9_.:-]{1,64}", fullmatch=True),
    "management_device": _pci.map("pci/{}".format) | st.just("vdpasim_net"),
    "mac": _optional(macs),
}


_patterns = st.sampled_from(["", "^-A FORWARD", "-j LOG$|-j DROP$", r"a\.b", "a.*b"])


#: Strategies for the fields of each step: a single way, or a way for each address family.
FIELDS = {
    "DeleteAddress": [_address(4), _address(6)],
    "DeleteBridge": [
        {"name": names, "index": _indices, "include_unmanaged": _flag, "when_empty": _flag}
    ],
    "DeleteLink": [
        {"name": names, "index": _indices, "only_unattached": _flag, "include_unmanaged": _flag},
    ],
    "DeleteNeighbour": [_neighbour(4), _neighbour(6)],
    "EnsureNeighbour": [_neighbour(4, more=True), _neighbour(6, more=True)],
    "SetInheritedSysctl": [
        {
            "name": names,
            "family": st.just(family),
            "parameter": st.sampled_from(keys),
            "value": st.integers(-(2**31), 2**31 - 1),
        }
        for family, keys in INHERITED.items()
    ],
    "SetBridgeAddress": [{"name": names, "mac": macs}],
    "DeleteRoute": [_route(4), _route(6)],
    "EnsureAddress": [_address(4, more=True), _address(6, more=True)],
    "EnsureBridge": [
        {
            "name": names,
            "forward_delay": _number,
            "stp": _flag,
            "multicast_snooping": _flag,
            "ageing": _optional(st.integers(0, (2**32 - 1) // 100)),
            "address": _optional(macs),
        }
    ],
    "DeleteBondMember": [{"name": names, "bond": names}],
    "EnsureBond": [
        {
            "name": names,
            "mode": st.sampled_from(["balance-rr", "active-backup", "802.3ad", "balance-alb"]),
            "miimon": st.integers(1, 2**31 - 1),
        }
    ],
    "EnsureBondMember": [{"name": names, "bond": names}],
    "EnsureDummy": [{"name": names, "address": _optional(macs)}],
    "EnsureIpvlan": [{"name": names, "link": names, "mode": st.sampled_from(["l2", "l3", "l3s"])}],
    "EnsureVrf": [{"name": names, "table": st.integers(1, 252) | st.integers(256, 2**32 - 1)}],
    "EnsureVxlan": [
        {
            "name": names,
            "vni": st.integers(0, 2**24 - 1),
            "port": st.integers(1024, 2**16 - 1),
            "local": st.sampled_from([None, *hosts]),
            "remote": st.sampled_from([None, *hosts, *groups]),
            "link": names,
            "learning": _flag,
        }
        for hosts, groups in (
            (["192.0.2.1", "192.0.2.2"], ["239.1.1.1"]),
            (["2001:db8::1", "2001:db8::2"], ["ff02::1"]),
        )
    ],
    "EnsureMacvlan": [
        {
            "name": names,
            "link": names,
            "mode": st.sampled_from(["private", "vepa", "bridge", "passthru"]),
            "tap": _flag,
        }
    ],
    "EnsureRoute": [_route(4, more=True), _route(6, more=True)],
    "EnsureTap": [{"name": names, "multiqueue": _flag, "address": _optional(macs)}],
    "EnsureVeth": [{"name": names, "peer": names, "mtu": _mtus}],
    "EnsureVlan": [{"name": names, "link": names, "vlan_id": st.integers(1, 4094)}],
    "EnsureForwardingRules": [
        _rules
        | {
            "interfaces": st.lists(_plain | st.just("all") | st.just("tap+"), max_size=4).map(
                tuple
            ),
            "default_target": st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,27}", fullmatch=True),
            "keep_above": _patterns,
            "keep_below": _patterns,
        }
    ],
    "AddBridgeUser": [_user],
    "RemoveBridgeUser": [_user],
    "Irreversible": [{"name": names, "description": printable_text(400)}],
    "MoveLink": [{"name": names, "netns": st.integers(1, 2**22).map(str) | _files}],
    "DeleteForwardingRules": [_rules | {"only_noted": _flag}],
    "RenameLink": [{"name": names, "to": names, "restore_name": _flag, "missing_ok": _flag}],
    "RestoreForwardingRules": [
        _rules
        | {
            "rules": _bridge_rules,
            "jumps": st.lists(st.integers(1, 2**31 - 1), max_size=3).map(tuple),
            "kept": st.sampled_from(["", "0123456789abcdef"]),
        }
    ],
    "WriteVifRecord": [
        {
            "vif_id": printable_text(255),
            "owner": printable_text(64),
            "document": printable_text(400),
            "instance_uuid": printable_text(255),
            "instance_name": printable_text(255),
            "since": _optional(st.floats(0, 2**40, exclude_max=True)),
            "keep_owner": _flag,
            "plugin": printable_text(255),
            "uid": _optional(st.integers(0, 2**32 - 1)),
            "netns": _optional(printable_text(1024)),
            "netns_id": _optional(printable_text(255)),
            "ifname": _optional(printable_text(255)),
        }
    ],
    "DeleteVifRecord": [{"vif_id": printable_text(255), "plugin": printable_text(255)}],
    "RequireVifMark": [
        {
            "vif_id": printable_text(255),
            "token": st.sampled_from(["0123456789abcdef"]),
            "plugin": printable_text(255),
        }
    ],
    "ReleaseVf": [{"pci_address": _pci, "user": printable_text(255)}],
    "DeleteVdpa": [_vdpa],
    "EnsureVdpa": [_vdpa],
    "SetVf": [
        {
            "name": names,
            "number": _number,
            "pci_address": _pci,
            "user": _optional(printable_text(255)),
            "mac": _optional(macs),
            "vlan": _optional(st.integers(0, 4094)),
            "vlan_qos": _optional(st.integers(0, 7)),
            "vlan_proto": st.sampled_from([None, "802.1Q", "802.1ad"]),
            "trusted": _optional(_flag),
            "spoof_check": _optional(_flag),
            "min_tx_rate": _optional(_number),
            "max_tx_rate": _optional(_number),
            "link_state": st.sampled_from([None, "auto", "enable", "disable"]),
            "link": names,
            "link_ipv6": _optional(_flag),
            "link_up": _optional(_flag),
            "link_address": _optional(macs),
        }
    ],
    "RestoreLink": [
        {
            "name": names,
            "flags": _optional(_number),
            "alternative_names": _optional(st.lists(names, max_size=4).map(tuple)),
            "gateways": _optional(
                st.lists(_version(4)[1] | _version(6)[1], max_size=4).map(tuple)
            ),
            **dict.fromkeys(
                ("ipv4", "ipv6", "data", "port"), st.binary(max_size=40).map(bytes.hex)
            ),
        }
    ],
    "SetLink": [
        {
            "name": names,
            "mtu": _mtus,
            "up": _optional(_flag),
            "address": _optional(macs),
            "promiscuous": _optional(_flag),
            "master": _optional(names | st.just("")),
            "alias": _optional(printable_text(254)),
            "group": _optional(st.integers(0, 2**31 - 1).filter(lambda n: n != CREATING_GROUP)),
            "txqueuelen": _optional(st.integers(0, 2**31 - 1)),
            "missing_ok": _flag,
        }
    ],
    "SetSysctl": [
        {
            "name": names,
            "key": st.sampled_from(["disable_ipv6", "arp_ignore", "arp_announce"]),
            "value": st.integers(-(2**31), 2**31 - 1),
            "only_managed": _flag,
        }
    ],
}


def required_fields(name):
    """Return the fields of a step without a default."""
    missing = dataclasses.MISSING
    return {field.name for field in dataclasses.fields(STEPS[name]) if field.default is missing}


def _make(name, values):
    others = {
        value for key, value in values.items() if key in ("peer", "link", "master", "to", "bond")
    }
    assume(values.get("name") not in others)
    for needed, beginning in (("link", "link_"), ("vlan", "vlan_")):
        if name == "SetVf" and values.get(needed) is None:
            # Settings of a link or VLAN need the link or VLAN, except the state of the link.
            kept = ("vlan", "link_state")
            values = {k: v for k, v in values.items() if k in kept or not k.startswith(beginning)}
    if values.get("remote") in ("239.1.1.1", "ff02::1") and "link" not in values:
        # A multicast group needs a device.
        values = values | {"remote": None}
    if values.get("rules"):
        values = values | {
            "rules": tuple(
                tuple(part.format(values["name"]) for part in rule) for rule in values["rules"]
            )
        }
    return STEPS[name](**values)


def any_step(name):
    """Return a strategy for steps of a class. Fields with a default may be absent."""
    always = required_fields(name)
    ways = [
        st.fixed_dictionaries(
            {key: values for key, values in way.items() if key in always},
            optional={key: values for key, values in way.items() if key not in always},
        )
        for way in FIELDS[name]
    ]
    return st.one_of(ways).map(lambda values: _make(name, values))
