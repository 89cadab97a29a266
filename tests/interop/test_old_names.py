# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the old functions of 5.3.0 leave on a host, ours leave too, but for what is named here.

Each case is called in a process of its own, with a real daemon and a real switch, once with the
public release and once with ours. For ``vif_plug_linux_bridge`` that is 4.3.1, the last that had it.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functional import namespaces, ovs
from tests.functional.namespaces import changes, run
from tests.interop import environments
from tests.interop.environments import Subject
from tests.interop.public import SBIN
from tests.interop.test_linux_bridge_4_3_1 import RELEASE
from tests.interop.test_ovs_5_3_0 import left

pytestmark = pytest.mark.interop

PROGRAM = pathlib.Path(__file__).with_name("foreign_call.py")
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


@dataclass(frozen=True)
class Case:
    name: str
    setup: str
    calls: tuple[Call, ...]
    #: What differs on the host on purpose, by the beginning of its line.
    differs: tuple[str, ...] = ()
    #: Calls of which one side raises and the other does not, by their place.
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
        f"{VETH} ip link add qbr1 type bridge; ip link set va up master qbr1; "
        "ip link add vx type veth peer name vy; ip link set vx up master qbr1",
        (net("delete_bridge", "qbr1", "va"), net("delete_bridge", "qbr1", "va")),
    ),
    # One that others have made, and that is no VIF's by its name, stays.
    Case(
        "delete_bridge-of-others",
        "ip link add br1 type bridge",
        (net("delete_bridge", "br1", "va"),),
        differs=("/br1",),
        refused=(0,),
    ),
    Case(
        "add_bridge_port",
        f"{VETH} ip link add qbr1 type bridge",
        (net("add_bridge_port", "qbr1", "va"), net("add_bridge_port", "qbr1", "none")),
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
        "ip link add va type veth peer name vz",
        (
            net("create_veth_pair", "va", "vb", 1400),
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
        VETH,
        (
            net("set_interface_state", "va", "up"),
            net("set_interface_state", "vb", "up"),
            net("set_interface_state", "va", "down"),
            net("set_interface_state", "none", "up"),
        ),
    ),
    Case("delete_net_dev", VETH, (net("delete_net_dev", "va"), net("delete_net_dev", "none"))),
    # A bridge is deleted by delete_bridge().
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
        f"{VETH} ip link add vc type veth peer name vd",
        (
            base("create_ovs_vif_port", "br-int", "va", *IDS, qos_type="linux-noop"),
            base("create_ovs_vif_port", "br-int", "vc", *IDS),
            base("delete_ovs_vif_port", "br-int", "va", qos_type="linux-noop"),
            base("delete_ovs_vif_port", "br-int", "vc", delete_netdev=False),
            base("delete_ovs_vif_port", "br-int", "none"),
        ),
    ),
    # 5.3.0 leaves the port, and deletes the device that it is of.
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
    # A bridge without a device has its MTU all the same.
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


@pytest.fixture(scope="module")
def rights() -> None:
    missing = namespaces.why_not() or ovs.missing()
    if missing:
        pytest.skip(missing)
    namespaces.hide_record()


@dataclass(frozen=True)
class Side:
    """An os_vif: a Python, and what is first on its module path."""

    python: pathlib.Path
    path: pathlib.Path

    def run(self, directory: pathlib.Path, *command: str | pathlib.Path) -> Any:
        done = subprocess.run(
            [self.python, "-P", *command],
            # Its daemon has the same, and looks for its os_vif there too.
            env={"PATH": SBIN, "HOME": os.fspath(directory), "PYTHONPATH": os.fspath(self.path)},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


OURS = Side(pathlib.Path(sys.executable), environments.CHECKOUT)


def public(release: str, scratch: pathlib.Path, line: str) -> Side:
    try:
        subject = Subject.from_public_release(scratch, line)
        pinned = environments.pins("public")
        python = environments.environment(f"public-{release}", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Side(python, subject.path)


@pytest.fixture(scope="module")
def release_5_3_0(rights, tmp_path_factory) -> Side:
    scratch = tmp_path_factory.mktemp("public-5.3.0")
    return public("5.3.0", scratch, environments.PUBLIC_RELEASE)


@pytest.fixture(scope="module")
def release_4_3_1(rights, tmp_path_factory) -> Side:
    scratch = tmp_path_factory.mktemp("public-4.3.1")
    return public("4.3.1", scratch, RELEASE)


def called(case: Case, side: Side, directory: pathlib.Path) -> tuple[list[Any], dict]:
    """What each call gave, and what the host then has."""
    directory.mkdir()
    calls, configuration = directory / "calls.json", directory / "program.conf"
    with namespaces.private(), ovs.Switch(directory) as switch:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        run(case.setup)
        calls.write_text(json.dumps(case.calls), encoding="utf-8")
        helper = f"helper_command = {side.python.with_name('privsep-helper')}\n"
        configuration.write_text(
            f"[oslo_concurrency]\nlock_path = {directory}\n"
            f"[vif_plug_linux_bridge_privileged]\n{helper}[vif_plug_ovs_privileged]\n{helper}"
            f"[os_vif_ovs]\novsdb_connection = {switch.connection}\novs_vsctl_timeout = 20\n",
            encoding="utf-8",
        )
        told = side.run(directory, PROGRAM, calls, configuration)
        assert pathlib.Path(told["file"]).is_relative_to(side.path)
        addresses = {
            link["ifname"]: [address["local"] for address in link["addr_info"]]
            for link in namespaces.ip("-4", "address")
        }
        routes = [[route["dst"], route["dev"]] for route in namespaces.ip("-4", "route")]
        return told["made"], left(switch) | {"addresses": addresses, "routes": routes}


def raises(made: Any) -> bool:
    return isinstance(made, dict) and "raised" in made


def compare(case: Case, public: Side, scratch: pathlib.Path) -> None:
    """Devices and rows are equal; the same calls fail; the same is read."""
    theirs, before = called(case, public, scratch / "public")
    ours, after = called(case, OURS, scratch / "ours")
    lines = [line.partition(":")[0] for line in changes(before, after)]
    assert sorted(lines) == sorted(case.differs), changes(before, after)
    for place, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        told = f"{case.calls[place]}: {their} became {our}"
        assert raises(our) == (raises(their) or place in case.refused), told
        if isinstance(our, str | bool | list):
            assert our == their, told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_5_3_0_leaves(release_5_3_0, tmp_path, case):
    compare(case, release_5_3_0, tmp_path)


@pytest.mark.parametrize("case", CASES_4_3_1, ids=lambda case: case.name)
def test_what_4_3_1_leaves(release_4_3_1, tmp_path, case):
    compare(case, release_4_3_1, tmp_path)


LINUX_NET_NAMES = sorted(
    {call[1] for case in CASES for call in case.calls if call[0] == LINUX_NET}
)
BASE_OVS_NAMES = sorted({call[1] for case in CASES for call in case.calls if call[0] == BASE_OVS})
OVS_PLUGIN_NAMES = (
    "describe", "gen_port_name", "get_veth_pair_names", "plug", "supports_tc_qdisc", "unplug",
    "_create_vif_port", "_get_mtu", "_get_qos_type", "_get_vif_datapath_type",
    "_get_vif_port_profile", "_isolate_vif", "_update_vif_port",
)  # fmt: skip

SIGNATURES = """
import functools, importlib, inspect, json, sys, warnings

warnings.simplefilter("ignore")
import vif_plug_ovs.linux_net  # 5.3.0 lets its internal modules in only from its own

def signature(found):
    # An entry point of privsep is the function, with its context around it.
    found = found.args[0] if isinstance(found, functools.partial) else found
    return [[p.name, p.kind.name, repr(p.default) if p.default is not p.empty else None]
            for p in inspect.signature(found).parameters.values()]

told = {}
for where, names in json.loads(sys.argv[1]).items():
    module, _, name = where.partition(":")
    found = importlib.import_module(module)
    found = getattr(found, name) if name else found
    told[where] = {name: signature(getattr(found, name)) for name in names}
print(json.dumps(told))
"""


def test_they_take_what_5_3_0_takes(release_5_3_0, tmp_path):
    """By the same names, at the same places, and with the same defaults."""
    names = {
        "vif_plug_ovs.linux_net": LINUX_NET_NAMES,
        "vif_plug_ovs.ovsdb.ovsdb_lib:BaseOVS": BASE_OVS_NAMES,
        "vif_plug_ovs.ovs:OvsPlugin": OVS_PLUGIN_NAMES,
        "os_vif.internal.ip.api:ip": ("exists", "add", "set", "delete"),
    }
    asked = ("-c", SIGNATURES, json.dumps(names))
    assert OURS.run(tmp_path, *asked) == release_5_3_0.run(tmp_path, *asked)
