# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The undo of a deletion restores every setting of the device that other programs have made."""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib

import pytest

from os_vif import exception
from os_vif.host.netlink import link_settings, rtnetlink
from os_vif.host.state import bridge_user_record
from os_vif.steps import DeleteAddress, DeleteBridge, DeleteLink
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.restore_link import RestoreLink
from os_vif.steps.wire import decode, encode
from os_vif.testing.host_snapshots import changes, differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.requirements import require, require_tun

pytestmark = pytest.mark.usefixtures("namespace")

#: Settings of every kind of device.
_SETTINGS = """
ip link property add dev {name} altname {name}-with-a-long-name altname {name}2
ip link set dev {name} group 77 txqueuelen 250 mtu 1450
sysctl -qw net/ipv4/conf/{name}/rp_filter=2 net/ipv4/conf/{name}/proxy_arp=1 \
  net/ipv4/conf/{name}/arp_notify=1 net/ipv6/conf/{name}/accept_ra=0 \
  net/ipv6/conf/{name}/hop_limit=33 net/ipv6/conf/{name}/router_solicitation_interval=7 \
  net/ipv6/conf/{name}/keep_addr_on_down=1 net/ipv6/conf/{name}/addr_gen_mode=1
ip link set dev {name} up
"""
#: The configuration of a device with which the host sends packets.
_ADDRESSES = """
ip address add 192.0.2.{n}/24 brd + dev {name} metric 50
ip address add 192.0.2.1{n}/24 dev {name}
ip address add 198.51.100.{n} peer 198.51.100.20{n} dev {name}
ip address add 2001:db8:{n}::1/64 dev {name} nodad
ip address add 2001:db8:{n}::2/64 dev {name} nodad noprefixroute
ip route add 203.0.113.0/25 via 192.0.2.9{n} dev {name} metric 3{n}
ip route add 203.0.113.128/25 dev {name} metric 3{n} mtu 1300
ip route add 203.0.113.64/26 dev {name} table 7{n}
ip -6 route add 2001:db8:f{n}::/48 via 2001:db8:{n}::9 dev {name}
ip neigh add 192.0.2.20{n} lladdr 02:00:00:00:00:7{n} dev {name}
ip neigh add proxy 192.0.2.21{n} dev {name}
"""
_PORT = (
    "ip link set dev {name} type bridge_slave hairpin on guard on cost 42 priority 9 isolated on"
)


def settings(name: str) -> str:
    return _SETTINGS.format(name=name)


def addressed(name: str, number: int = 1) -> str:
    return settings(name) + _ADDRESSES.format(name=name, n=number)


_VETH = "ip link add name in type veth peer name out; ip link set dev in alias os-vif;"
_LOWER = "ip link add name base type veth peer name far; ip link set dev base up;"
_BRIDGE = "ip link add name br type bridge; ip link set dev br up;"
_SWITCH_SETTINGS = (
    "ageing_time 4200 priority 4096 mcast_snooping 1 mcast_querier 1 group_fwd_mask 8"
)


@dataclasses.dataclass(frozen=True)
class Deleted:
    """A deletion, and the device with all settings."""

    kind: str
    step: KernelStep
    setup: str

    def __str__(self) -> str:
        return self.kind


def created(kind: str, *, lower: bool = True) -> str:
    """Return the commands that create the device ``dev`` of a kind, with all settings."""
    link = "link base " if lower else ""
    create = f"ip link add {link}name dev type {kind}; ip link set dev dev alias os-vif;"
    return (_LOWER if lower else "") + create


HERE = [
    Deleted("veth", DeleteLink("in"), _VETH + addressed("in") + addressed("out", 2)),
    Deleted(
        "veth in a bridge",
        DeleteLink("in"),
        _VETH + _BRIDGE + settings("in") + settings("out")
        + "ip link set dev in master br;" + _PORT.format(name="in"),
    ),
    Deleted("veth that is down", DeleteLink("in"), _VETH + settings("in") + "ip link set dev in down"),
    Deleted(
        "flags",
        DeleteLink("in"),
        _VETH + "ip link set dev in arp off multicast off allmulticast on promisc on up",
    ),
    Deleted(
        "tap",
        DeleteLink("tap1"),
        "ip tuntap add dev tap1 mode tap; ip link set dev tap1 alias os-vif;" + addressed("tap1"),
    ),
    Deleted("macvlan", DeleteLink("dev"), created("macvlan mode private") + addressed("dev")),
    Deleted("macvtap", DeleteLink("dev"), created("macvtap mode bridge") + addressed("dev")),
    Deleted(
        "vxlan",
        DeleteLink("dev"),
        created("vxlan id 7 dstport 4789 remote 192.0.2.99", lower=False) + addressed("dev"),
    ),
    Deleted(
        "bridge",
        DeleteBridge("br"),
        f"ip link add name br type bridge {_SWITCH_SETTINGS}; ip link set dev br alias os-vif;"
        + settings("br")
        + "ip route add 203.0.113.0/25 dev br; ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev br",
    ),
]  # fmt: skip
_VRF = "ip link add name first type vrf table 9; ip link add name vrf1 type vrf table 10;"
_IN_VRF = _VETH + _VRF + "ip link set dev vrf1 up; ip link set dev in master vrf1;"
IN_VM = [
    Deleted(
        "bridge with VLANs",
        DeleteBridge("br"),
        f"ip link add name br type bridge {_SWITCH_SETTINGS} vlan_filtering 1 vlan_default_pvid 7;"
         "ip link set dev br alias os-vif;" + settings("br"),
    ),
    Deleted("vlan", DeleteLink("dev"), created("vlan id 9 gvrp on") + addressed("dev")),
    Deleted("dummy", DeleteLink("dev"), created("dummy", lower=False) + addressed("dev")),
    Deleted("ipvlan", DeleteLink("dev"), created("ipvlan mode l3") + addressed("dev")),
    Deleted(
        "bond",
        DeleteLink("dev"),
        created("bond mode active-backup miimon 100", lower=False)
        + "ip link set dev dev type bond updelay 200;" + addressed("dev"),
    ),
    Deleted("veth in a VRF", DeleteLink("in"), _IN_VRF + addressed("in") + addressed("out", 2)),
    Deleted(
        "VRF",
        DeleteLink("vrf1"),
        _IN_VRF + "ip link set dev vrf1 alias os-vif;" + addressed("in") + addressed("vrf1", 2),
    ),
    Deleted("an address in a VRF", DeleteAddress("in", "198.51.100.1/32", "198.51.100.201/32"),
            _IN_VRF + settings("in") + "ip address add 198.51.100.1 peer 198.51.100.201 dev in;"
            "ip route add 203.0.113.0/25 dev in table 10; ip route add 203.0.113.0/26 dev in table 7"),
    Deleted("the last address in a VRF", DeleteAddress("in", "192.0.2.1/24"),
            _IN_VRF + settings("in") + "ip address add 192.0.2.1/24 dev in"),
]  # fmt: skip

#: What the virtual machine tests in each run; soak tests have all cases.
QUICK_IN_VM = {"the last address in a VRF"}


@pytest.fixture
def net(namespace):
    with rtnetlink.opened() as net:
        yield net


def sent(step: KernelStep) -> KernelStep:
    """Return a step as the daemon receives the step: tuples have become lists."""
    name, arguments = encode(step)
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()}
    return decode([name, plain])


def restore(net, case: Deleted) -> None:
    """Prepare the device, delete it, and undo the deletion; compare the states."""
    run(f"set -e\nsysctl -qw net/ipv4/ip_forward=0\n{case.setup}")
    before = without_indexes(snapshot())
    undo = case.step.apply(net)
    assert undo
    assert changes(before, without_indexes(snapshot()))
    for step in undo:
        sent(step).apply(net)
    assert differences(before, indexes=False) == []


@pytest.mark.parametrize("case", HERE, ids=str)
def test_recreated_device_has_all_settings(net, case):
    if case.kind == "tap":
        require_tun()
    restore(net, case)


@pytest.mark.vm("plain")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[] if str(case) in QUICK_IN_VM else [pytest.mark.soak])
        for case in IN_VM
    ],
    ids=str,
)
def test_recreated_device_of_further_kinds_has_all_settings(net, case):
    require(f"set -e\n{case.setup}")
    restore(net, case)


def test_parameters_in_a_message_are_those_of_procfs(net):
    """Each parameter of a device has the same name and value in both, for both families."""
    run("ip link add name in type veth peer name out")
    found = link_settings.read_settings(net, net.require("in"))
    for family, packed in (("ipv4", found.ipv4), ("ipv6", found.ipv6)):
        named = link_settings.parameters_by_name(family, packed)
        assert len(named) > 25
        for key, value in named.items():
            path = pathlib.Path(f"/proc/sys/net/{family}/conf/in/{key}")
            # An older pyroute2 has no names, and a kernel may lack a module.
            assert not path.exists() or int(path.read_text()) == value, key


def test_route_that_no_step_expresses_is_reported_as_lost(net):
    """The deletion succeeds; the undo restores the rest, and names the route."""
    run(f"set -e\n{_VETH}ip link set dev in up; ip address add 192.0.2.1/24 dev in")
    run("ip route add 203.0.113.0/24 encap ip id 7 dst 192.0.2.7 via 192.0.2.9 dev in || true")
    run("ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:08 dev in")
    undo = DeleteLink("in").apply(net)
    lost = [step for step in undo if isinstance(step, Irreversible)]
    for step in undo:
        if step not in lost:
            step.apply(net)
    assert {link.name for link in net.links()} == {"lo", "in", "out"}
    for step in lost:
        assert "203.0.113.0/24 with an encapsulation, deleted" in step.description
        with pytest.raises(OSError, match="cannot undo"):
            step.apply(net)


def test_setting_that_the_kernel_refuses_is_named(net):
    """The error names the file of the parameter."""
    run("ip link add name in type veth peer name out")
    found = link_settings.read_settings(net, net.require("in"))
    data = bytearray.fromhex(found.ipv6)
    # accept_ra_rtr_pref may be any number, and disable_ipv6 too; the MTU of IPv6 is limited.
    data[8:12] = (9).to_bytes(4, "little")
    with pytest.raises(OSError, match="/proc/sys/net/ipv6/conf/in/mtu") as info:
        RestoreLink("in", ipv6=data.hex()).apply(net)
    assert info.value.errno == errno.EINVAL
    assert os.strerror(errno.EINVAL) in str(info.value)


def test_a_recreated_bridge_has_the_gateways_of_pods_in_its_record():
    """A later unplug then deletes the bridge with these addresses, and not with another."""
    run("ip link add name br type bridge; ip link set dev br alias os-vif up")
    run("ip address add 10.7.0.1/24 dev br; ip address add 2001:db8:7::1/64 dev br nodad")
    users = bridge_user_record.Users(gateways=frozenset({"10.7.0.1/24", "2001:db8:7::1/64"}))
    with rtnetlink.opened() as net:
        bridge_user_record.write_users(net, net.require("br"), users)
        undo = [decode(encode(step)) for step in DeleteBridge("br").apply(net)]
        assert net.link("br") is None
        for step in undo:
            step.apply(net)
        assert bridge_user_record.read_users(net, net.require("br")) == users
        # The undo of the undo restores the record of the new bridge, which is empty.
        (restoring,) = (s for s in undo if getattr(s, "gateways", None))
        (empty,) = dataclasses.replace(restoring, gateways=()).apply(net)
        assert set(empty.gateways) == users.gateways
        assert bridge_user_record.read_users(net, net.require("br")) == bridge_user_record.Users()
        empty.apply(net)
        assert DeleteBridge("br").apply(net)


@pytest.mark.parametrize(
    "gateways", [("10.7.0.1",), ("10.7.0.01/24",), (7,), ("10.0.0.1/8",) * 65]
)
def test_a_gateway_that_is_no_address_with_a_prefix_length_is_refused(gateways):
    with pytest.raises(exception.InvalidStep, match="gateways is"):
        RestoreLink("br", gateways=gateways)
