# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ovs plugin names the field of the VIF at fault, and keeps the hooks of derived plugins."""

from __future__ import annotations

import warnings

import pytest
from oslo_config import cfg

from os_vif import device_names, exception, objects, opts
from os_vif.plugins.ovs import OvsPlugin
from os_vif.steps import EnsureOvsPort, EnsureTap, SetLink
from vif_plug_ovs import constants

ID = "0a0b0c0d-1111-4222-8333-444444444444"
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
#: No server listens: a plan requires no Open vSwitch.
NO_SWITCH = {"ovsdb_connection": "unix:/nonexistent/db.sock", "ovs_vsctl_timeout": 1}


@pytest.fixture
def config(request):
    conf = cfg.ConfigOpts()
    conf.register_opts(list(opts.OVS), group="os_vif_ovs")
    for option, value in (NO_SWITCH | getattr(request, "param", {})).items():
        conf.set_override(option, value, group="os_vif_ovs")
    return conf.os_vif_ovs


def vif(cls, vif_id=ID, interface_id=ID, **fields):
    with warnings.catch_warnings():
        # oslo.versionedobjects takes any text as a UUID, and warns.
        warnings.simplefilter("ignore", FutureWarning)
        profile = objects.VIFPortProfileOpenVSwitch(interface_id=interface_id, create_port=True)
        return cls(
            id=vif_id,
            plugin="ovs",
            address="fa:16:3e:00:00:01",
            network=objects.Network(bridge="br-int", mtu=1400),
            port_profile=profile,
            **fields,
        )


WAYS = {
    "native": (objects.VIFOpenVSwitch, {"vif_name": "tap0"}),
    "hybrid": (objects.VIFBridge, {"bridge_name": "qbr0", "vif_name": "tap0"}),
    "vhost-user": (objects.VIFVHostUser, {"mode": "client"}),
}


@pytest.mark.parametrize("config", [{"per_port_bridge": True}], indirect=True)
@pytest.mark.parametrize("bad", ["a/b", "a b", "a:b", "a%b", "0a0b0c0d\n"])
@pytest.mark.parametrize(
    ("way", "action"),
    [
        (way, action)
        for way in WAYS
        for action in ("plan_plug", "plan_unplug")
        # A port may have been created without a device of the VIF's id.
        if (way, action) != ("native", "plan_unplug")
    ],
)
def test_a_name_that_the_id_makes_unusable_is_the_fault_of_the_id(config, way, action, bad):
    """The error names neither vif.network.bridge nor a field of a step."""
    cls, fields = WAYS[way]
    with pytest.raises(exception.InvalidField) as caught:
        getattr(OvsPlugin(config), action)(vif(cls, vif_id=bad, **fields), INSTANCE)
    assert caught.value.kwargs["field"] == "vif.id"
    assert caught.value.kwargs["found"] == repr(bad)


@pytest.mark.parametrize("bad", ["a/b", "a b"])
def test_an_unplug_of_a_port_needs_no_usable_id(config, bad):
    cls, fields = WAYS["native"]
    plan = OvsPlugin(config).plan_unplug(vif(cls, vif_id=bad, **fields), INSTANCE)
    assert "tap0" in {step.device for step in plan}


@pytest.mark.parametrize("way", WAYS)
def test_an_id_of_the_port_that_is_no_text_is_named(config, way):
    cls, fields = WAYS[way]
    with pytest.raises(exception.InvalidField) as caught:
        OvsPlugin(config).plan_plug(vif(cls, interface_id="a\nb", **fields), INSTANCE)
    assert caught.value.kwargs["field"] == "vif.port_profile.interface_id"


@pytest.mark.parametrize("way", WAYS)
def test_an_id_of_the_instance_that_is_no_text_is_named(config, way):
    cls, fields = WAYS[way]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        instance = objects.InstanceInfo(uuid="a\nb", name="guest")
    with pytest.raises(exception.InvalidField) as caught:
        OvsPlugin(config).plan_plug(vif(cls, **fields), instance)
    assert caught.value.kwargs["field"] == "instance_info.uuid"


def test_the_path_of_a_socket_that_is_no_text_is_named(config):
    broken = vif(objects.VIFVHostUser, mode="server", path="/run/a\nb")
    with pytest.raises(exception.InvalidField) as caught:
        OvsPlugin(config).plan_plug(broken, INSTANCE)
    assert caught.value.kwargs["field"] == "vif.path"


@pytest.mark.parametrize("way", WAYS)
def test_what_a_derived_plugin_overrides_is_in_the_plan(config, way):
    class Derived(OvsPlugin):
        def _mtu(self, vif):
            return 9000

        def _qos(self, datapath):
            return "linux-htb"

        def _isolated(self, bridge):
            return True

        def _ids(self, vif, profile, instance, bridge):
            return (("iface-id", "mine"),)

        def _device(self, vif, profile, name):
            return (EnsureTap(name), SetLink(name, mtu=self._mtu(vif)))

        @staticmethod
        def gen_port_name(prefix, vif_id):
            return f"{prefix}-mine"

    cls, fields = WAYS[way]
    plan = Derived(config).plan_plug(vif(cls, **fields), INSTANCE)
    port = next(step for step in plan if isinstance(step, EnsureOvsPort))
    assert (port.external_ids, port.isolated) == ((("iface-id", "mine"),), True)
    names = {"native": "tap0", "hybrid": "qvo-mine", "vhost-user": "vhu-mine"}
    assert port.name == names[way]
    mtus = {step.mtu for step in plan if isinstance(step, SetLink)} - {None}
    assert (mtus or {port.mtu_request}) == {9000}
    if way != "vhost-user":
        assert port.qos == "linux-htb"
    if way == "native":
        assert EnsureTap("tap0") in tuple(plan)


def test_the_prefixes_of_device_names_stay():
    """Devices of running guests have the names of earlier releases."""
    prefixes = {value for value in vars(device_names).values() if isinstance(value, str)}
    assert prefixes >= {
        "qbr", "qvb", "qvo", "tap", "nic", "vhu", "vfr", "pb", "pbp", "ibp", "tbr-",
    }  # fmt: skip


def test_the_published_constants_have_the_same_prefixes():
    assert constants.OVS_VHOSTUSER_PREFIX == "vhu"
    assert constants.TRUNK_BR_PREFIX == "tbr-"
