# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A source that cannot be read is an error of the inventory; the remaining VIFs are listed."""

from __future__ import annotations

import json

import pytest
from stevedore import extension

import os_vif
from os_vif import exception, objects
from os_vif.host.state.directory import STATE
from os_vif.plugins.linux_bridge import LinuxBridgePlugin
from os_vif.plugins.ovs import OvsPlugin
from os_vif.testing.private_namespaces import run
from os_vif.testing.quick_daemons import use_helper
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")


def test_without_open_vswitch_the_recorded_state_of_a_port_is_unknown(
    br_int, ovs_options, instance, os_vif
):
    """Set the option to a socket without a server."""
    import os_vif as library

    library.plug(bridge_vif(1), instance)
    library.plug(ovs_vif(objects.VIFBridge), instance)
    ovs_options(ovsdb_connection="unix:/run/missing.sock")
    found = library.inventory()
    assert {entry.plugin: str(entry.state) for entry in found} == {
        "linux_bridge": "right",
        "ovs": "unknown",
    }
    (error,) = found.errors
    assert error.startswith(
        "the VIFs of plugin ovs are unknown: Open vSwitch at unix:/run/missing"
    )
    done = os_vif("list", "-f", "json")
    assert done.returncode == 1
    assert f"the list is incomplete: {error}" in done.stderr
    assert {row["State"] for row in json.loads(done.stdout)} == {"right", "unknown"}


def test_an_error_of_a_plugin_does_not_hide_other_plugins(br_int, instance, monkeypatch):
    """Raise an exception in a plugin."""

    def recognise(*_):
        raise ValueError("a fault of the plugin")

    os_vif.plug(ovs_vif(objects.VIFBridge), instance)
    monkeypatch.setattr(LinuxBridgePlugin, "recognise", recognise)
    found = os_vif.inventory()
    assert [(entry.plugin, entry.state) for entry in found] == [("ovs", "right")]
    assert found.errors == ("the VIFs of plugin linux_bridge are unknown: a fault of the plugin",)


def test_an_unusable_record_makes_the_owner_unknown(namespace, vif, instance):
    """Write an unusable record."""
    os_vif.plug(vif, instance)
    (path,) = STATE.path.glob("vif-*.json")
    path.write_text("{")
    (entry,) = os_vif.inventory()
    assert (entry.id, entry.owner, entry.state) == (vif.id, None, "right")


def test_a_host_without_open_vswitch_has_no_error(namespace, vif, instance):
    """Use the default address of the database."""
    os_vif.plug(vif, instance)
    found = os_vif.inventory()
    assert (len(found), found.errors) == (1, ())


def test_a_missing_device_of_the_kernel_is_told(namespace, vif, instance):
    """Change the host, and compare the reasons with the differences."""
    os_vif.plug(vif, instance)
    run("ip link set dev brq-test mtu 1400")
    (entry,) = os_vif.inventory()
    assert (entry.state, entry.reasons) == ("differs", tuple(map(str, entry.differences)))
    assert [d.attribute for d in entry.differences] == ["MTU"]


def test_the_inventory_needs_an_initialized_library(monkeypatch):
    """Call the function before ``os_vif.initialize()``."""
    monkeypatch.setattr(os_vif, "_EXT_MANAGER", None)
    with pytest.raises(exception.LibraryNotInitialized):
        os_vif.inventory()


def test_a_plugin_of_a_third_party_is_found_through_the_record(namespace, program):
    """Plug with a plugin without ``recognise()``."""
    told = program("""
        os_vif.plug(vif("planner"), INSTANCE)
        for entry in os_vif.inventory():
            print(entry.id, entry.kind, entry.plugin, entry.way, entry.devices, entry.state)
            os_vif.unplug(entry.vif, entry.instance)
        print(os_vif.inventory())
    """)
    first, last = told.splitlines()
    assert first.startswith("1b2c3d4e-0000-4000-8000-000000000000 VIFGeneric planner recorded")
    assert first.endswith("('tap-1',) right")
    assert last == "()"


def test_without_a_privileged_daemon_the_remaining_settings_are_checked(namespace, instance):
    """Plug with forwarding rules, which only root can read, and break the helper command."""
    vifs = [bridge_vif(number) for number in (1, 2)]
    for vif in vifs:
        vif.has_traffic_filtering = False
        os_vif.plug(vif, instance)
    with use_helper("false"):
        found = os_vif.inventory()
        assert [entry.state for entry in found] == ["unknown", "unknown"]
        assert found[0].reasons[0].startswith("EnsureForwardingRules: only root can read the host")
        run("ip link set dev brq-test mtu 1400")
        (first, _) = os_vif.inventory()
        assert first.state == "differs"
        assert first.reasons[0] == "brq-test: MTU is 1400, should be 1450"


def test_the_record_tells_the_derived_plugin_of_a_vif(br_int, instance, monkeypatch):
    """Load a plugin with the method of the class for Open vSwitch, and plug a VIF through it."""

    class DerivedPlugin(OvsPlugin):
        pass

    manager = os_vif._EXT_MANAGER
    derived = extension.Extension("derived", None, DerivedPlugin, None)
    derived.obj = DerivedPlugin(manager["ovs"].obj.config)
    extended = extension.ExtensionManager.make_test_instance(
        [*manager, derived], namespace="os_vif"
    )
    monkeypatch.setattr(os_vif, "_EXT_MANAGER", extended)
    vif = ovs_vif(objects.VIFBridge)
    vif.plugin = "derived"
    os_vif.plug(vif, instance)
    (entry,) = os_vif.inventory()
    assert (entry.plugin, entry.vif.plugin, entry.state) == ("derived", "derived", "right")
    run("rm -f /run/os-vif/vif-*")
    (entry,) = os_vif.inventory()
    assert (entry.plugin, entry.vif.plugin, entry.state) == ("ovs", "ovs", "right")
