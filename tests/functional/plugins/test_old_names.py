# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Old functions on a real kernel and a real switch. tests/interop compares them with 5.3.0's."""

from __future__ import annotations

import pathlib
import warnings

import pytest
from oslo_config import cfg
from pyroute2.netlink.exceptions import NetlinkError

from os_vif import exception, objects
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.requirements import require_tun
from vif_plug_ovs import privsep

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from os_vif.internal.ip.api import ip as ip_lib
    from vif_plug_linux_bridge import linux_net as linux_bridge_net
    from vif_plug_ovs import linux_net, ovs
    from vif_plug_ovs.ovsdb import ovsdb_lib

pytestmark = pytest.mark.usefixtures("daemon")

ID = "11111111-1111-4111-8111-111111111111"
IDS = (ID, "fa:16:3e:00:00:01", "b0000000-0000-4000-8000-000000000000")
INSTANCE = objects.InstanceInfo(uuid=IDS[2], name="guest")


def links() -> dict[str, dict]:
    return {link["ifname"]: link for link in ip("link") if link["ifname"] != "lo"}


def setting(device: str, family: str, key: str) -> str:
    return pathlib.Path(f"/proc/sys/net/{family}/conf/{device}/{key}").read_text().strip()


def test_a_bridge_of_a_hybrid_vif(namespace):
    """As a plugin builds one: bridge, pair, port; then it all goes, with what is in it."""
    before = snapshot()
    linux_net.ensure_bridge("qbr1")
    linux_net.create_veth_pair("qvb1", "qvo1", 1400)
    linux_net.add_bridge_port("qbr1", "qvb1")
    linux_net.ensure_bridge("qbr1")
    found = links()
    assert found["qvb1"]["master"] == "qbr1"
    assert found["qbr1"]["linkinfo"]["info_data"]["ageing_time"] == 0
    assert setting("qbr1", "ipv6", "disable_ipv6") == "1"
    assert setting("qbr1", "ipv4", "arp_ignore") == "1"
    for name in ("qvb1", "qvo1"):
        assert found[name]["mtu"] == 1400
        assert {"UP", "PROMISC"} <= set(found[name]["flags"])
    linux_net.update_veth_pair("qvb1", "qvo1", 1300)
    assert {link["mtu"] for name, link in links().items() if name != "qbr1"} == {1300}
    linux_net.delete_bridge("qbr1", "qvb1")
    assert "UP" not in links()["qvb1"]["flags"]
    linux_net.delete_net_dev("qvo1")
    linux_net.delete_net_dev("qvo1")
    assert differences(before) == []
    # They ran in the daemon that deployed hosts know.
    assert privsep.vif_plug.channel is not None


def test_a_pair_that_cannot_be_made_leaves_the_one_that_was_there(namespace):
    """What an old function does is a plan: it is undone."""
    run("ip link add name va type veth peer name vb; ip link set va up")
    with pytest.raises(exception.StepFailed, match="SetLink failed on va"):
        linux_net.create_veth_pair("va", "vb", 100000)
    found = links()
    assert (found["va"]["link"], found["va"]["mtu"]) == ("vb", 1500)
    assert "UP" in found["va"]["flags"]


def test_what_is_not_os_vif_s_to_delete_is_said(namespace):
    """A step spares it without a word; these functions were asked for it."""
    run("ip link add name br1 type bridge; ip link add name va type veth peer name vb")
    run("ip link set va master br1")
    before = snapshot()
    for delete, arguments in (
        (linux_net.delete_bridge, ("br1", "va")),
        (linux_net.delete_net_dev, ("br1",)),
    ):
        with pytest.raises(
            exception.StepFailed, match="failed on br1: the device is in use, or is not"
        ):
            delete(*arguments)
    run("ip link add name br2 type bridge; ip link set dev br2 alias os-vif")
    with pytest.raises(exception.StepFailed, match="va is in br1, and not taken from there"):
        linux_net.add_bridge_port("br2", "va")
    run("ip link del br2")
    assert differences(before) == []


def test_a_tap_and_its_state(namespace):
    """With its guest's MAC address, and without an address of IPv6."""
    require_tun()
    linux_net.create_tap("tap1", 1400, "FA:16:3E:00:00:01", multiqueue=True)
    (link,) = links().values()
    assert (link["mtu"], link["address"]) == (1400, "fa:16:3e:00:00:01")
    assert link["linkinfo"]["info_data"]["multi_queue"] is True
    assert setting("tap1", "ipv6", "disable_ipv6") == "1"
    linux_net.set_interface_state("tap1", "down")
    assert "UP" not in links()["tap1"]["flags"]
    linux_net.set_interface_state("tap1", "up")
    linux_net.set_device_mtu("tap1", 1300)
    linux_net.set_device_mtu("tap1", None)
    assert "UP" in links()["tap1"]["flags"]
    assert links()["tap1"]["mtu"] == 1300


def test_devices_with_the_rights_of_the_caller(namespace):
    """os_vif.internal.ip.api asks no daemon: a plugin has its own."""
    assert not ip_lib.exists("br1")
    assert not ip_lib.exists("no/device")
    ip_lib.add("br1", "bridge", ageing=0)
    ip_lib.add("va", "veth", peer="vb")
    assert ip_lib.exists("br1")
    ip_lib.set("va", state="up", mtu=1400, address="FA:16:3E:00:00:01", promisc=True, master="br1")
    found = links()["va"]
    assert (found["mtu"], found["address"], found["master"]) == (1400, "fa:16:3e:00:00:01", "br1")
    assert {"UP", "PROMISC"} <= set(found["flags"])
    assert links()["br1"]["linkinfo"]["info_data"]["ageing_time"] == 0
    ip_lib.delete("va")
    ip_lib.delete("br1")
    assert links() == {}
    assert privsep.vif_plug.channel is None


def test_errors_of_devices_are_those_of_the_kernel(namespace):
    """Those that the caller counts as done are none."""
    run("ip link add name va type veth peer name vb")
    with pytest.raises(NetlinkError) as info:
        ip_lib.add("va", "veth", peer="vc")
    assert info.value.code == 17
    ip_lib.add("va", "veth", peer="vc", check_exit_code=[0, 17])
    with pytest.raises(NetlinkError) as info:
        ip_lib.set("va", mtu=100000)
    assert info.value.code == 22
    with pytest.raises(exception.NetworkInterfaceTypeNotDefined, match="dummy"):
        ip_lib.add("d1", "dummy")
    with pytest.raises(exception.InvalidField, match="ageing is 150"):
        ip_lib.add("br1", "bridge", ageing=150)
    for call in (
        lambda: ip_lib.set("none", mtu=1400),
        lambda: ip_lib.set("va", master="none"),
        lambda: ip_lib.delete("none", check_exit_code=[0, 2, 254]),
        lambda: ip_lib.add("v3", "vlan", link="none", vlan_id=3),
    ):
        with pytest.raises(exception.NetworkInterfaceNotFound, match="none"):
            call()
    assert set(links()) == {"va", "vb"}


@pytest.fixture
def base_ovs(br_int) -> ovsdb_lib.BaseOVS:
    """The switch of [os_vif_ovs]."""
    return ovsdb_lib.BaseOVS(cfg.CONF.os_vif_ovs)


def test_a_port_and_its_bridge(br_int, base_ovs):
    """In one transaction; the port takes its QoS row with it."""
    run("ip link add name qvo0a0b0c0d-11 type veth peer name qvb0a0b0c0d-11")
    before = snapshot()
    base_ovs.create_ovs_vif_port(
        "tbr-1", "qvo0a0b0c0d-11", *IDS, mtu=1400, tag=7, vlan_mode="native-tagged", trunks=9,
        datapath_type="netdev", qos_type="linux-noop",
    )  # fmt: skip
    assert row(br_int, "Port", "qvo0a0b0c0d-11", "tag", "vlan_mode", "trunks") == [
        "7", "native-tagged", "[9]",
    ]  # fmt: skip
    ids = row(br_int, "Interface", "qvo0a0b0c0d-11", "external_ids")[0]
    assert f'iface-id="{ID}"' in ids
    assert "bridge_name=tbr-1" in ids
    assert ip("link", "show", "qvo0a0b0c0d-11")[0]["mtu"] == 1400
    assert base_ovs.port_exists("qvo0a0b0c0d-11", "tbr-1")
    assert not base_ovs.port_exists("qvo0a0b0c0d-11", "br-int")
    base_ovs.update_ovs_vif_port("qvo0a0b0c0d-11", mtu=1500)
    with pytest.raises(
        exception.InvalidField, match="bridge of port qvo0a0b0c0d-11 is tbr-1; expected br-int"
    ):
        base_ovs.delete_ovs_vif_port("br-int", "qvo0a0b0c0d-11")
    base_ovs.delete_ovs_vif_port("tbr-1", "qvo0a0b0c0d-11", delete_netdev=False)
    base_ovs.delete_ovs_bridge("tbr-1")
    assert differences(before) == []
    base_ovs.create_ovs_vif_port("br-int", "qvo0a0b0c0d-11", *IDS, set_ids=False)
    assert row(br_int, "Interface", "qvo0a0b0c0d-11", "external_ids") == ["{}"]
    base_ovs.delete_ovs_vif_port("br-int", "qvo0a0b0c0d-11")
    assert not {"qvo0a0b0c0d-11", "qvb0a0b0c0d-11"} & set(links())


def test_a_vhost_user_port_and_a_pair_of_patch_ports(br_int, base_ovs):
    """They have no device."""
    base_ovs.create_ovs_vif_port(
        "br-int", "vhu1", *IDS, mtu=1400, interface_type="dpdkvhostuserclient",
        vhost_server_path="/run/vhu1",
    )  # fmt: skip
    base_ovs.update_ovs_vif_port("vhu1", 1300, "dpdkvhostuserclient")
    assert row(br_int, "Interface", "vhu1", "type", "options", "mtu_request") == [
        "dpdkvhostuserclient", '{vhost-server-path="/run/vhu1"}', "1300",
    ]  # fmt: skip
    base_ovs.ensure_ovs_bridge("pb1", "netdev")
    base_ovs.create_patch_port_pair("pb1", "pbp1", "br-int", "ibp1", *IDS, tag=4095)
    assert row(br_int, "Interface", "pbp1", "options") == ["{peer=ibp1}"]
    assert row(br_int, "Port", "ibp1", "tag") == ["4095"]
    assert f'iface-id="{ID}"' in row(br_int, "Interface", "ibp1", "external_ids")[0]


def test_the_integration_bridge_is_not_deleted(br_int, base_ovs):
    """5.3.0 would (LP 1914886)."""
    with pytest.raises(exception.InvalidStep, match="br-int"):
        base_ovs.delete_ovs_bridge("br-int")
    assert br_int.vsctl("list-br") == "br-int"


def test_a_server_that_is_not_there_fails_the_call(br_int, base_ovs, ovs_options):
    """And what was done to the device is undone."""
    run("ip link add name va type veth peer name vb")
    before = snapshot()
    ovs_options(ovsdb_connection="unix:/nonesuch")
    for call in (
        lambda: base_ovs.create_ovs_vif_port("br-int", "va", *IDS, mtu=1400),
        lambda: base_ovs.ensure_ovs_bridge("br-new", None),
        lambda: base_ovs.delete_ovs_vif_port("br-int", "va"),
    ):
        with pytest.raises(exception.ExceptionBase, match="/nonesuch"):
            call()
    assert differences(before) == []


def test_the_old_plugin_s_port_of_a_vif(br_int, ovs_options):
    """What subclasses call: isolated when it is new, with its tap if it asks for one."""
    require_tun()
    ovs_options(isolate_vif=True)
    plugin = ovs.OvsPlugin.load("ovs")
    vif = ovs_vif(create_port=True, create_tap=True)
    before = snapshot()
    assert plugin._isolate_vif(vif.vif_name, "br-int")
    plugin._create_vif_port(vif, vif.vif_name, INSTANCE)
    assert not plugin._isolate_vif(vif.vif_name, "br-int")
    assert row(br_int, "Port", vif.vif_name, "tag") == ["4095"]
    br_int.vsctl("set", "Port", vif.vif_name, "tag=5")
    plugin._create_vif_port(vif, vif.vif_name, INSTANCE)
    assert row(br_int, "Port", vif.vif_name, "tag") == ["5"]
    assert ip("link", "show", vif.vif_name)[0]["address"] == vif.address
    vif.network.mtu = 1300
    plugin._update_vif_port(vif, vif.vif_name)
    assert ip("link", "show", vif.vif_name)[0]["mtu"] == 1300
    plugin.ovsdb.delete_ovs_vif_port("br-int", vif.vif_name)
    assert differences(before) == []


def test_the_old_plugin_plugs_by_its_plan(br_int):
    """Through plug(), and through the methods that it once was made of."""
    require_tun()
    plugin = ovs.OvsPlugin.load("ovs")
    vif = ovs_vif(create_port=True, create_tap=True, datapath_type="netdev")
    before = snapshot()
    plugin.plug(vif, INSTANCE)
    plugged = snapshot()
    plugin._plug_vif_generic(vif, INSTANCE)
    assert differences(plugged) == []
    plugin._unplug_vif_generic(vif, INSTANCE)
    assert differences(before) == []


def test_a_linux_bridge_takes_over_what_its_device_had(namespace, options):
    """As vif_plug_linux_bridge.linux_net did until 4.3; the caller names the device."""
    options(flat_interface="other")
    run(
        "ip link add name va type veth peer name vb; ip link set va up; ip link set vb up; "
        "ip address add 192.0.2.10/24 dev va; ip route add default via 192.0.2.1"
    )
    linux_bridge_net.ensure_bridge(bridge="br1", interface="va", mtu=1400, filtering=False)
    linux_bridge_net.ensure_bridge(bridge="br1", interface="va", mtu=1400, filtering=False)
    assert links()["va"]["master"] == "br1"
    assert {links()[name]["mtu"] for name in ("va", "br1")} == {1400}
    (address,) = ip("-4", "address", "show", "dev", "br1")[0]["addr_info"]
    assert address["local"] == "192.0.2.10"
    assert ip("route", "show", "default")[0]["dev"] == "br1"
    with pytest.raises(exception.InvalidField, match="gateway is false"):
        linux_bridge_net.ensure_bridge("br1", "va", gateway=False)
    with pytest.raises(exception.InvalidField, match="none, which does not exist"):
        linux_bridge_net.ensure_bridge("br2", "none")
