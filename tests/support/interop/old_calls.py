# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Calls of old functions on a private host, and the intended differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LINUX_NET, IP = "vif_plug_ovs.linux_net", "os_vif.internal.ip.api:ip"
LINUX_BRIDGE = "vif_plug_linux_bridge.linux_net"
BASE_OVS = "vif_plug_ovs.ovsdb.ovsdb_lib:BaseOVS()"

Call = tuple[str, str, tuple[Any, ...], dict[str, Any]]


def net(name: str, *arguments: Any, **keywords: Any) -> Call:
    return (LINUX_NET, name, arguments, keywords)


def ip(name: str, *arguments: Any, **keywords: Any) -> Call:
    return (IP, name, arguments, keywords)


def base(name: str, *arguments: Any, **keywords: Any) -> Call:
    return (BASE_OVS, name, arguments, keywords)


def linux_bridge(name: str, *arguments: Any, **keywords: Any) -> Call:
    return (LINUX_BRIDGE, name, arguments, keywords)


IDS = (
    "11111111-1111-4111-8111-111111111111",
    "fa:16:3e:00:00:01",
    "b0000000-0000-4000-8000-000000000000",
)
VETH = "ip link add va type veth peer name vb; "
#: Names of devices of a VIF: the daemon refuses to change or delete devices with other names.
QVB, QVO, QBR = "qvb0a0b0c0d-1", "qvo0a0b0c0d-1", "qbr0a0b0c0d-1"
VIF_VETH = f"ip link add {QVB} type veth peer name {QVO}; "


@dataclass(frozen=True)
class Case:
    name: str
    setup: str
    calls: tuple[Call, ...]
    #: Intended differences of the host, by the beginning of the line.
    differs: tuple[str, ...] = ()
    #: Positions of calls that raise an error on a single side only.
    refused: tuple[int, ...] = ()


CASES = (
    Case("ensure_bridge", "true", (net("ensure_bridge", "qbr1"),)),
    Case(
        "ensure_bridge-there",
        "ip link add qbr1 type bridge forward_delay 700",
        (net("ensure_bridge", "qbr1"),),
    ),
    Case(
        "delete_bridge",
        f"{VIF_VETH} ip link add {QBR} type bridge; ip link set {QVB} up master {QBR}; "
        f"ip link add tap1a0b0c0d-1 type veth peer name vy; ip link set tap1a0b0c0d-1 up master {QBR}",
        (net("delete_bridge", QBR, QVB), net("delete_bridge", QBR, QVB)),
    ),
    # A device of another program, without the name of a VIF, stays.
    Case(
        "delete_bridge-of-others",
        "ip link add br1 type bridge",
        (net("delete_bridge", "br1", "va"),),
        differs=("/br1",),
        refused=(0,),
    ),
    Case(
        "add_bridge_port",
        f"{VIF_VETH} ip link add {QBR} type bridge",
        (net("add_bridge_port", QBR, QVB), net("add_bridge_port", QBR, "none")),
    ),
    Case("add_bridge_port-nowhere", VETH, (net("add_bridge_port", "none", "va"),)),
    Case(
        "add_bridge_port-of-another",
        f"{VETH} ip link add qbr1 type bridge; ip link add qbr2 type bridge; "
        "ip link set va master qbr2",
        (net("add_bridge_port", "qbr1", "va"),),
        differs=("/va/master",),
        refused=(0,),
    ),
    Case(
        "create_veth_pair",
        f"ip link add {QVB} type veth peer name vz",
        (
            net("create_veth_pair", QVB, QVO, 1400),
            net("create_veth_pair", "vc", "vd", None),
            net("update_veth_pair", "vc", "vd", 1300),
            net("update_veth_pair", "vc", "vd", None),
            net("update_veth_pair", "vc", "none", 1400),
        ),
    ),
    Case(
        "create_tap",
        "true",
        (
            net("create_tap", "tap1", 1400, "FA:16:3e:00:00:01"),
            net("create_tap", "tap2", 1400, "fa:16:3e:00:00:02", multiqueue=True),
            net("create_tap", "tap1", 1300, "fa:16:3e:00:00:01"),
        ),
    ),
    Case(
        "set_device_mtu",
        VETH,
        (
            net("set_device_mtu", "va", 1400),
            net("set_device_mtu", "va", None),
            net("set_device_mtu", "va", 0),
            net("set_device_mtu", "none", 1400),
        ),
    ),
    Case(
        "set_interface_state",
        VIF_VETH,
        (
            net("set_interface_state", QVB, "up"),
            net("set_interface_state", QVO, "up"),
            net("set_interface_state", QVB, "down"),
            net("set_interface_state", "none", "up"),
        ),
    ),
    Case("delete_net_dev", VIF_VETH, (net("delete_net_dev", QVB), net("delete_net_dev", "none"))),
    # delete_bridge() deletes the bridge.
    Case(
        "delete_net_dev-bridge",
        "ip link add br1 type bridge",
        (net("delete_net_dev", "br1"),),
        differs=("/br1",),
        refused=(0,),
    ),
    Case(
        "functions-that-read",
        VETH,
        (
            net("get_dpdk_representor_port_name", IDS[0]),
            net("get_function_by_ifname", "va"),
            net("get_function_by_ifname", "none"),
            net("get_vf_num_by_pci_address", "0000:99:00.1"),
            net("get_pf_pci_from_vf", "0000:99:00.1"),
            net("get_ifname_by_pci_address", "0000:99:00.1"),
            net("get_ifname_by_pci_address", "0000:99:00.1", pf_interface=True, switchdev=True),
            net("get_representor_port", "va", "1"),
        ),
    ),
    Case(
        "ip-exists",
        VETH,
        (ip("exists", "va"), ip("exists", "none"), ip("exists", "v/a"), ip("exists", "v" * 20)),
    ),
    Case(
        "ip-add",
        VETH,
        (
            ip("add", "br1", "bridge"),
            ip("add", "br2", "bridge", ageing=1000),
            ip("add", "br2", "bridge"),
            ip("add", "br2", "bridge", check_exit_code=[0, 17]),
            ip("add", "v1", "veth", peer="v2"),
            ip("add", "vlan3", "vlan", link="none", vlan_id=3),
            ip("add", "tap1", "tuntap", mode="tap"),
            ip("add", "tap2", "tuntap", mode="tap", multiqueue=True),
            ip("add", "d1", "dummy"),
        ),
    ),
    Case(
        "ip-set",
        f"{VETH} ip link add br1 type bridge",
        (
            ip("set", "va", mtu=1400, address="FA:16:3e:00:00:01", master="br1"),
            ip("set", "va", state="up"),
            ip("set", "va", promisc=True),
            ip("set", "vb", promisc=True),
            ip("set", "vb", state="up"),
            ip("set", "vb", promisc=False),
            ip("set", "none", mtu=1400),
            ip("set", "va", master="none"),
            ip("set", "va", mtu=1000000),
            ip("set", "va", mtu=1000000, check_exit_code=[22]),
        ),
    ),
    Case(
        "ip-delete",
        f"{VETH} ip link add br1 type bridge",
        (
            ip("delete", "va"),
            ip("delete", "va"),
            ip("delete", "va", check_exit_code=[0, 2, 254]),
            ip("delete", "br1"),
            ip("delete", "lo"),
        ),
    ),
    Case(
        "ensure_ovs_bridge",
        "true",
        (
            base("ensure_ovs_bridge", "br-new", "netdev"),
            base("ensure_ovs_bridge", "br-int", "netdev"),
        ),
    ),
    Case(
        "create_ovs_vif_port",
        VETH,
        (
            base("create_ovs_vif_port", "br-int", "va", *IDS, mtu=1400),
            base("create_ovs_vif_port", "br-int", "va", *IDS, mtu=1400),
            base("port_exists", "va", "br-int"),
            base("port_exists", "va", "br-other"),
            base("port_exists", "none", "br-int"),
            base("update_ovs_vif_port", "va", mtu=1300),
            base("update_ovs_vif_port", "none", mtu=1300),
        ),
    ),
    Case(
        "create_ovs_vif_port-dead",
        VETH,
        (base("create_ovs_vif_port", "br-int", "va", *IDS, tag=4095, qos_type="linux-noop"),),
    ),
    Case(
        "create_ovs_vif_port-trunk",
        VETH,
        (
            base("create_ovs_vif_port", "tbr-1", "va", *IDS, tag=7, vlan_mode="native-tagged",
                 trunks=9, datapath_type="netdev"),
        ),
    ),
    Case(
        "create_ovs_vif_port-without-ids",
        VETH,
        (base("create_ovs_vif_port", "br-int", "va", *IDS, set_ids=False),),
    ),
    Case(
        "create_ovs_vif_port-vhost-user",
        "true",
        (
            base("create_ovs_vif_port", "br-int", "vhu1", *IDS, mtu=1400,
                 interface_type="dpdkvhostuserclient", vhost_server_path="/run/vhu1"),
            base("update_ovs_vif_port", "vhu1", 1300, "dpdkvhostuserclient"),
        ),
    ),
    Case(
        "create_ovs_vif_port-dpdk",
        "true",
        (
            base("create_ovs_vif_port", "br-int", "vfr1", *IDS, mtu=1400, interface_type="dpdk",
                 pf_pci="0000:03:00.0", vf_num="1"),
        ),
    ),
    Case(
        "delete_ovs_vif_port",
        f"{VIF_VETH} ip link add vc type veth peer name vd",
        (
            base("create_ovs_vif_port", "br-int", QVB, *IDS, qos_type="linux-noop"),
            base("create_ovs_vif_port", "br-int", "vc", *IDS),
            base("delete_ovs_vif_port", "br-int", QVB, qos_type="linux-noop"),
            base("delete_ovs_vif_port", "br-int", "vc", delete_netdev=False),
            base("delete_ovs_vif_port", "br-int", "none"),
        ),
    ),
    # 5.3.0 keeps the port, and deletes the device of the port.
    Case(
        "delete_ovs_vif_port-of-another-bridge",
        VETH,
        (
            base("create_ovs_vif_port", "br-int", "va", *IDS),
            base("delete_ovs_vif_port", "br-none", "va"),
        ),
        differs=("/va", "/vb"),
        refused=(1,),
    ),
    Case(
        "create_patch_port_pair",
        "true",
        (
            base("ensure_ovs_bridge", "pb1", "netdev"),
            base("create_patch_port_pair", "pb1", "pbp1", "br-int", "ibp1", *IDS, tag=4095),
        ),
    ),
    Case(
        "delete_ovs_bridge",
        "true",
        (base("ensure_ovs_bridge", "tbr-1", "netdev"), base("delete_ovs_bridge", "tbr-1")),
    ),
    Case(
        "delete_ovs_bridge-integration",
        "true",
        (base("delete_ovs_bridge", "br-int"),),
        differs=("/switch/bridges/br-int",),
        refused=(0,),
    ),
)  # fmt: skip


CASES_4_3_1 = (
    Case(
        "ensure_bridge",
        VETH,
        (
            linux_bridge("ensure_bridge", "br1", "va", mtu=1400, filtering=False),
            linux_bridge("ensure_bridge", bridge="br1", interface="va", mtu=1400, filtering=False),
        ),
    ),
    Case(
        "ensure_bridge-of-an-uplink",
        f"{VETH} ip link set va up; ip link set vb up; ip address add 192.0.2.10/24 dev va; "
        "ip route add default via 192.0.2.1",
        (linux_bridge("ensure_bridge", "br1", "va", filtering=False),),
    ),
    # Here a bridge without an uplink has the MTU too.
    Case(
        "ensure_bridge-of-nothing",
        "true",
        (linux_bridge("ensure_bridge", "br1", None, mtu=1400, filtering=False),),
        differs=("/br1/mtu",),
    ),
    Case(
        "ensure_bridge-of-none",
        "true",
        (linux_bridge("ensure_bridge", "br1", "none", filtering=False),),
        differs=("/br1",),
        refused=(0,),
    ),
)
