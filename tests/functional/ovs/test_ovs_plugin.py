# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin through the facade, against a real switch and the real kernel."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import signal
import socket

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP, VHOST_USER, VIFS, guest_on
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")


def test_a_port_has_the_rows_that_hosts_have_always_had(br_int):
    """Neutron and OVN know the port by the ids of the public os-vif; a new port has its owner too."""
    vif = ovs_vif(create_port=True)
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Interface", vif.vif_name, "external_ids", "type") == [
        (
            f'{{attached-mac="fa:16:3e:00:00:00", iface-id="{vif.id}", iface-status=active, '
            'os-vif-owner=os-vif, vm-uuid="b0000000-0000-4000-8000-000000000000"}'
        ),
        '""',
    ]
    qos = br_int.vsctl("get", "Port", vif.vif_name, "qos")
    assert row(br_int, "QoS", qos, "type") == ["linux-noop"]
    assert "_type=linux-noop" in br_int.vsctl("get", "QoS", qos, "external_ids")
    assert br_int.vsctl("list-ports", "br-int") == vif.vif_name
    # The hypervisor's, but for its MTU.
    (link,) = ip("link", "show", vif.vif_name)
    assert (link["mtu"], "ifalias" in link) == (1450, False)
    assert os_vif.check(vif, INSTANCE) == ()


def test_by_default_only_the_bridge_is_ensured(br_int):
    """libvirt adds the port."""
    before = snapshot()
    os_vif.plug(ovs_vif(), INSTANCE)
    assert differences(before) == []
    (difference,) = os_vif.check(ovs_vif(), INSTANCE)
    assert str(difference) == (
        f"{ovs_vif().vif_name}: port is missing, should be in br-int (waits for the hypervisor)"
    )


def test_a_bridge_that_is_made_has_the_datapath_of_the_profile(switch, br_int):
    """One that is there keeps its own (LP 1632372)."""
    os_vif.plug(ovs_vif(bridge="br-new", datapath_type="netdev"), INSTANCE)
    assert row(switch, "Bridge", "br-new", "datapath_type") == ["netdev"]
    os_vif.plug(ovs_vif(datapath_type="system"), INSTANCE)
    assert row(switch, "Bridge", "br-int", "datapath_type") == ["netdev"]


@pytest.mark.parametrize("multiqueue", [False, True])
def test_a_tap_is_made_before_its_port(br_int, multiqueue):
    """With the guest's MAC address, its MTU, up, and without IPv6; vswitchd never misses it."""
    require_tun()
    vif = ovs_vif(**TAP, multiqueue=multiqueue)
    os_vif.plug(vif, INSTANCE)
    (link,) = ip("link", "show", vif.vif_name)
    assert (link["mtu"], link["address"]) == (1450, vif.address)
    assert "UP" in link["flags"]
    assert link["linkinfo"]["info_data"]["multi_queue"] is multiqueue
    off = pathlib.Path(f"/proc/sys/net/ipv6/conf/{vif.vif_name}/disable_ipv6")
    assert off.read_text() == "1\n"
    assert "could not open network device" not in br_int.log
    assert os_vif.check(vif, INSTANCE) == ()


def test_a_hypervisor_s_own_tap_is_taken_as_it_is(br_int):
    """libvirt makes its tap anew, with as many queues as it likes."""
    require_tun()
    vif = ovs_vif(**TAP)
    run(f"ip tuntap add dev {vif.vif_name} mode tap multi_queue")
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()


def test_a_new_port_is_isolated_until_neutron_has_wired_it(br_int, ovs_options):
    """And never again."""
    ovs_options(isolate_vif=True)
    one, other = VIFS["hybrid"](1), VIFS["hybrid"](2)
    for vif in (one, other):
        os_vif.plug(vif, INSTANCE)
    ports = [f"qvo{vif.id[:11]}" for vif in (one, other)]
    assert row(br_int, "Port", ports[0], "tag", "vlan_mode", "trunks") == [
        "4095",
        "trunk",
        "[4095]",
    ]
    with guest_on(one, "192.0.2.1/24") as guest, guest_on(other, "192.0.2.2/24"):
        with pytest.raises(OSError, match="does not answer"):
            guest.ping("192.0.2.2")
        for port in ports:
            br_int.vsctl("set", "Port", port, "tag=1", "--", "clear", "Port", port, "trunks",
                         "vlan_mode")  # fmt: skip
        guest.ping("192.0.2.2")
        os_vif.plug(one, INSTANCE)
        guest.ping("192.0.2.2")


def test_a_port_of_a_trunk_is_not_isolated_and_names_its_bridge(br_int, ovs_options):
    """Neutron finds by it what the trunk has left; the trunk's bridge goes with the parent."""
    ovs_options(isolate_vif=True)
    br_int.vsctl("add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev")
    vif = ovs_vif(bridge="tbr-1", create_port=True)
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Port", vif.vif_name, "tag") == ["[]"]
    assert "bridge_name=tbr-1" in br_int.vsctl("get", "Interface", vif.vif_name, "external_ids")
    os_vif.unplug(vif, INSTANCE)
    assert br_int.vsctl("list-br") == "br-int"


def test_a_bridge_of_its_own_is_patched_to_the_integration_bridge(br_int, ovs_options):
    """The ids are at the integration bridge, where OVN looks for them, and only there."""
    require_tun()
    ovs_options(per_port_bridge=True)
    vif = VIFS["own-bridge"](1)
    os_vif.plug(vif, INSTANCE)
    beside = f"pb{vif.id[:12]}"
    near, far = f"pbp{vif.id}", f"ibp{vif.id}"
    assert br_int.vsctl("list-ports", "br-int") == far
    assert br_int.vsctl("list-ports", beside).split() == [near, vif.vif_name]
    assert row(br_int, "Interface", near, "type", "options") == ["patch", f"{{peer={far}}}"]
    assert row(br_int, "Interface", far, "type", "options") == ["patch", f"{{peer={near}}}"]
    assert f'iface-id="{vif.id}"' in br_int.vsctl("get", "Interface", far, "external_ids")
    assert row(br_int, "Interface", vif.vif_name, "external_ids") == ["{}"]


def test_a_bridge_of_its_own_leaves_isolation_to_the_integration_bridge(br_int, ovs_options):
    """Neutron wires the port that it knows; in the dead VLAN nothing else passes (LP 1930414)."""
    ovs_options(per_port_bridge=True, isolate_vif=True)
    vif = ovs_vif(datapath_type="netdev")
    vif.port_profile.interface_id = "20000000-0000-4000-8000-000000000000"
    os_vif.plug(vif, INSTANCE)
    far = f"ibp{vif.id}"
    assert row(br_int, "Port", far, "tag", "vlan_mode", "trunks") == ["4095", "trunk", "[4095]"]
    assert row(br_int, "Port", vif.vif_name, "tag") == ["[]"]
    ids = br_int.vsctl("get", "Interface", far, "external_ids:iface-id")
    assert ids == f'"{vif.port_profile.interface_id}"'


def test_the_bridge_of_a_trunk_stays_while_a_port_is_in_it(br_int):
    """5.3.0 deletes it with all that is in it."""
    br_int.vsctl("add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev", "--",
                 "add-port", "tbr-1", "other")  # fmt: skip
    vif = ovs_vif(bridge="tbr-1", create_port=True)
    os_vif.plug(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "tbr-1") == "other"


@pytest.mark.parametrize("bridge", ["br-int", "br-tun", "pb", "xtbr-1"])
def test_no_unplug_deletes_a_bridge_of_others(br_int, bridge):
    """Empty as it may be (LP 1914886); also where a VIF says that its network has that bridge."""
    br_int.vsctl("--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge,
                 "datapath_type=netdev")  # fmt: skip
    for vif in (ovs_vif(bridge=bridge), ovs_vif(HYBRID, bridge), ovs_vif(VHOST_USER, bridge)):
        os_vif.plug(vif, INSTANCE)
        os_vif.unplug(vif, INSTANCE)
        assert bridge in br_int.vsctl("list-br").split()


def test_names_of_15_characters_are_names(br_int):
    """The kernel's longest: of a device, and of a bridge that is made."""
    require_tun()
    vif = ovs_vif(bridge="br-integration1", **TAP, datapath_type="netdev")
    vif.vif_name = "tap0a0b0c0d-111"
    assert (len(vif.vif_name), len(vif.network.bridge)) == (15, 15)
    before = snapshot()
    os_vif.plug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "br-integration1") == "tap0a0b0c0d-111"
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.unplug(vif, INSTANCE)
    br_int.vsctl("del-br", "br-integration1")
    assert differences(before) == []


@pytest.mark.parametrize(("mode", "kind"), [("server", "client"), ("client", "")])
def test_a_vhost_user_port_has_its_socket_and_its_mtu(br_int, mode, kind):
    """In the transaction that makes it (LP 1959586); and no QoS row, which would be leaked."""
    vif = ovs_vif(VHOST_USER)
    vif.mode = mode
    os_vif.plug(vif, INSTANCE)
    name = f"vhu{vif.id[:11]}"
    options = f'{{vhost-server-path="{vif.path}"}}' if kind else "{}"
    assert row(br_int, "Interface", name, "type", "options", "mtu_request") == [
        f"dpdkvhostuser{kind}", options, "1450",
    ]  # fmt: skip
    assert br_int.vsctl("list", "QoS") == ""
    (waits,) = os_vif.check(vif, INSTANCE)
    assert waits.pending
    os_vif.unplug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == ""


FLIPS = [
    {"per_port_bridge": True},
    {"default_qos_type": "linux-htb"},
    {"isolate_vif": True},
    {},
]


@pytest.mark.short_form(2)
@pytest.mark.parametrize("kind", VIFS)
def test_what_is_configured_by_now_does_not_matter_to_unplug(br_int, ovs_options, kind):
    """Nothing is left."""
    require_tun()
    before = snapshot()
    for number, plugged in enumerate(FLIPS):
        vif = VIFS[kind](number)
        # The bridge of its own has to open, also without the kernel's datapath.
        vif.port_profile.datapath_type = "netdev"
        ovs_options(per_port_bridge=False, default_qos_type="linux-codel", isolate_vif=False)
        ovs_options(**plugged)
        os_vif.plug(vif, INSTANCE)
        ovs_options(per_port_bridge=not plugged.get("per_port_bridge", False),
                    default_qos_type="linux-sfq", isolate_vif=not plugged.get("isolate_vif"))  # fmt: skip
        os_vif.unplug(vif, INSTANCE)
        assert differences(before) == []


def test_what_a_hybrid_vif_left_goes_when_it_is_native_by_now(br_int):
    """A cold migration between hosts of two kinds."""
    before = snapshot()
    os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    os_vif.unplug(ovs_vif(), INSTANCE)
    assert differences(before) == []


def test_a_half_done_hybrid_plug_is_completed(br_int):
    """The devices are there, the port is not: 5.3.0 says that it has plugged, and has not."""
    vif = ovs_vif(HYBRID)
    qvb, qvo = f"qvb{vif.id[:11]}", f"qvo{vif.id[:11]}"
    run(f"ip link add name {qvb} type veth peer name {qvo}")
    os_vif.plug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "br-int") == qvo
    assert os_vif.check(vif, INSTANCE) == ()


def test_what_was_plugged_without_marks_is_unplugged(br_int):
    """The public os-vif makes none; the names are one VIF's and no other's."""
    before = snapshot()
    vif = ovs_vif(HYBRID)
    os_vif.plug(vif, INSTANCE)
    for prefix in ("qbr", "qvb", "qvo"):
        run(f"ip link set dev {prefix}{vif.id[:11]} alias ''")
    include_unmanaged = snapshot()
    os_vif.plug(vif, INSTANCE)
    assert differences(include_unmanaged) == []
    os_vif.unplug(vif, INSTANCE)
    assert differences(before) == []


def test_create_tap_of_a_hybrid_vif_is_ignored_with_one_warning(br_int, caplog):
    """nova copies it to a profile that cannot have it."""
    vif = ovs_vif(HYBRID, create_tap=True)
    for _ in range(2):
        os_vif.plug(vif, INSTANCE)
    assert len([r for r in caplog.records if "create_tap is ignored" in r.getMessage()]) == 1
    assert os_vif.check(vif, INSTANCE) == ()


def test_a_hybrid_bridge_is_hardened_and_forgets_at_once(br_int):
    """No way to the host; nothing learnt of a guest that migrates (LP 1715317)."""
    vif = ovs_vif(HYBRID)
    os_vif.plug(vif, INSTANCE)
    for prefix in ("qbr", "qvb", "qvo"):
        (link,) = ip("link", "show", f"{prefix}{vif.id[:11]}")
        assert link["mtu"] == 1450
        assert "UP" in link["flags"]
        off = pathlib.Path(f"/proc/sys/net/ipv6/conf/{link['ifname']}/disable_ipv6")
        assert off.read_text() == "1\n"
        (held,) = ip("-6", "address", "show", "dev", link["ifname"]) or [{"addr_info": []}]
        assert held.get("addr_info", []) == []
    (bridge,) = ip("link", "show", vif.bridge_name)
    data = bridge["linkinfo"]["info_data"]
    assert (data["ageing_time"], data["forward_delay"], data["stp_state"]) == (0, 0, 0)


def test_an_agent_s_vif_without_an_id_is_plugged(br_int):
    """As Neutron's agent for smart NICs has it, whose guest is not known when it unplugs."""
    vif = objects.VIFOpenVSwitch(
        vif_name="rep0", plugin="ovs", address="fa:16:3e:00:00:01",
        network=objects.Network(bridge="br-int", mtu=1500),
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id="30000000-0000-4000-8000-000000000000", create_port=True
        ),
    )  # fmt: skip
    before = snapshot()
    nobody = objects.InstanceInfo(uuid="")
    os_vif.plug(vif, nobody)
    assert "vm-uuid" not in br_int.vsctl("get", "Interface", "rep0", "external_ids")
    os_vif.unplug(vif, nobody)
    assert differences(before) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda vif: setattr(vif, "port_profile", objects.VIFPortProfileBase()),
         "vif.port_profile is a VIFPortProfileBase; expected a VIFPortProfileOpenVSwitch"),
        (lambda vif: setattr(vif, "network", None), "vif.network is unset; expected a Network"),
        (lambda vif: setattr(vif, "address", None), "vif.address is unset; expected a MAC address"),
        (lambda vif: setattr(vif, "vif_name", "x" * 16), "vif.vif_name is 'xxxxxxxxxxxxxxxx'; expe"),
        (lambda vif: setattr(vif.network, "bridge", "a/b"), "vif.network.bridge is 'a/b'; expected"),
        (lambda vif: setattr(vif.network, "mtu", 7), "vif.network.mtu is 7; expected an MTU of"),
    ],
)  # fmt: skip
def test_a_vif_that_cannot_be_is_refused_by_field(br_int, spoil, said):
    """Before anything is touched."""
    vif = ovs_vif(create_port=True)
    spoil(vif)
    before = snapshot()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(vif, INSTANCE)
    assert said in str(info.value)
    assert snapshot() == before


def test_a_way_to_the_switch_that_is_not_known_is_refused(br_int, ovs_options):
    """By the option's name."""
    for wrong in ("udp:192.0.2.1:6640", "tcp:192.0.2.1", "unix:", "unix:/a,tcp:b:1,ssl:c"):
        ovs_options(ovsdb_connection=wrong)
        with pytest.raises(exception.PlugException) as info:
            os_vif.plug(ovs_vif(), INSTANCE)
        said = str(info.value)
        assert f"[os_vif_ovs]ovsdb_connection is {wrong}, " in said
        assert "; expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT" in said


def test_a_way_to_the_switch_may_have_space_a_relative_path_or_no_brackets(
    br_int, ovs_options, monkeypatch
):
    """As with 5.3.0; a relative path that is not there is told with its directory, OVS_RUNDIR."""
    path = pathlib.Path(br_int.connection.removeprefix("unix:"))
    monkeypatch.setenv("OVS_RUNDIR", str(path.parent))
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    br_int.appctl("ovsdb-server", "ovsdb-server/add-remote", f"ptcp:{port}:[::1]")
    for way in (f"unix:{path.name}", f" unix:{path} ", f"tcp:[::1]:{port}", f"tcp:::1:{port}"):
        ovs_options(ovsdb_connection=way)
        vif = ovs_vif(create_port=True)
        os_vif.plug(vif, INSTANCE)
        os_vif.unplug(vif, INSTANCE)
    ovs_options(ovsdb_connection="unix:none.sock")
    with pytest.raises(
        exception.PlugException,
        match=f"No such file or directory; a relative path begins in {path.parent}",
    ):
        os_vif.plug(ovs_vif(), INSTANCE)


def test_the_old_way_to_the_switch_is_served_without_a_warning(br_int, ovs_options, caplog):
    """A process that may open the socket opens it itself."""
    ovs_options(ovsdb_interface="vsctl")
    with caplog.at_level(logging.WARNING):
        os_vif.plug(ovs_vif(), INSTANCE)
    assert "ovsdb_interface" not in caplog.text


def test_a_switch_that_is_not_there_fails_the_plug(br_int, ovs_options):
    """5.3.0 may say that it has plugged. The host is as before."""
    ovs_options(ovsdb_connection="tcp:127.0.0.1:1")
    before = snapshot()
    for action, failure in ((os_vif.plug, "PlugException"), (os_vif.unplug, "UnplugException")):
        with pytest.raises(getattr(exception, failure), match="Connection refused"):
            action(ovs_vif(HYBRID), INSTANCE)
    assert snapshot() == before


def test_a_switch_that_stands_still_fails_the_plug(br_int, ovs_options):
    """After the configured time; the kernel's devices and the rows are gone again."""
    ovs_options(ovs_vsctl_timeout=1)
    before = snapshot()
    os.kill(br_int.pid("ovs-vswitchd"), signal.SIGSTOP)
    try:
        with pytest.raises(exception.PlugException, match="has not applied it within 1 seconds"):
            os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    finally:
        os.kill(br_int.pid("ovs-vswitchd"), signal.SIGCONT)
    assert differences(before) == []


def test_an_unplug_that_the_switch_does_not_carry_out_goes_forward(br_int, ovs_options, caplog):
    """Nothing of the VIF is left in the database or the kernel, and a warning says the rest."""
    vif = ovs_vif(HYBRID)
    before = without_indexes(snapshot())
    os_vif.plug(vif, INSTANCE)
    ovs_options(ovs_vsctl_timeout=1)
    os.kill(br_int.pid("ovs-vswitchd"), signal.SIGSTOP)
    try:
        os_vif.unplug(vif, INSTANCE)
        assert [link["ifname"] for link in ip("link") if link["ifname"].startswith("q")] == []
        assert f"qvo{vif.id[:11]}" not in br_int.vsctl("--no-wait", "list-ports", "br-int")
    finally:
        os.kill(br_int.pid("ovs-vswitchd"), signal.SIGCONT)
    assert "ovs-vswitchd has not applied it yet" in caplog.text
    os_vif.unplug(vif, INSTANCE)
    assert differences(before, indexes=False) == []


def test_who_does_not_wait_for_vswitchd_is_done_when_the_database_has_it(br_int, ovs_options):
    """Plug and unplug return though vswitchd stands still; it does both when it goes on."""
    ovs_options(wait_for_vswitchd=False, ovs_vsctl_timeout=5)
    vif = ovs_vif(HYBRID)
    qvo = f"qvo{vif.id[:11]}"
    for action in (os_vif.plug, os_vif.unplug):
        os.kill(br_int.pid("ovs-vswitchd"), signal.SIGSTOP)
        try:
            action(vif, INSTANCE)
            interfaces = br_int.dump()["bridges"]["br-int"]["ports"]
        finally:
            os.kill(br_int.pid("ovs-vswitchd"), signal.SIGCONT)
        assert (qvo in str(interfaces)) == (action == os_vif.plug)
        # ovs-vsctl waits for it.
        br_int.vsctl("set", "Bridge", "br-int", "other_config:seen=1")
        if action == os_vif.plug:
            assert os_vif.check(vif, INSTANCE) == ()
    assert qvo not in br_int.appctl("ovs-vswitchd", "dpif/show")


def test_a_stored_vif_of_an_old_release_is_plugged(br_int):
    """Whose profile knows neither create_port nor create_tap, and whose network no MTU."""
    vif = ovs_vif(HYBRID)
    old = vif.obj_to_primitive()
    data = old["versioned_object.data"]
    profile = data["port_profile"]
    profile["versioned_object.version"] = "1.0"
    profile["versioned_object.data"] = {"interface_id": vif.id, "profile_id": "p"}
    data["network"]["versioned_object.version"] = "1.0"
    del data["network"]["versioned_object.data"]["mtu"]
    read = objects.base.VersionedObject.obj_from_primitive(json.loads(json.dumps(old)))
    os_vif.plug(read, INSTANCE)
    assert ip("link", "show", f"qvo{vif.id[:11]}")[0]["mtu"] == 1500
    os_vif.unplug(read, INSTANCE)
