# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The values of each field of an Open vSwitch step, and of VIFs with such steps."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from os_vif import exception, objects
from os_vif.plugins.ovs import OvsPlugin
from os_vif.steps import validate
from os_vif.steps.ovs import bridge, hypervisor_port, port, restore
from os_vif.steps.ovs.bridge import DeleteOvsBridge, EnsureOvsBridge
from os_vif.steps.ovs.hypervisor_port import AwaitedOvsPort, OvsPortName
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.ovs.restore import RestoreOvsBridge, RestoreOvsInterface, RestoreOvsPort
from os_vif.steps.ovs.step import OvsStep
from tests.support.generated.field_values import (
    _NO_LINE,
    _NO_TEXT,
    BOOLEAN,
    DEVICE,
    Kind,
    integer,
    line,
    optional,
)

#: A port without a device may have a name that the kernel reserves.
PORT = Kind(
    ("a", "x" * 64, "é" * 32, "eth0.100", "pbp10000000-0000-4000-8000-000000000000", "all", "."),
    ("", "x" * 65, "é" * 33, "a/b", "a b", "a:b", "a%b", "a\u00a0b", *_NO_LINE, *_NO_TEXT),
)
#: Names of userspace bridges may be longer than names of devices.
BRIDGE = Kind(
    (*DEVICE.good, "x" * 16, "é" * 124, "br-provider-network-1"),
    (*(name for name in DEVICE.bad if name not in ("x" * 16, "é" * 8)), "x" * 250, "é" * 125),
)
PAIRS = Kind(
    ((), (("a", ""),), (("iface-id", "x" * 5000), ("b:c", "'\"; id"), ("é", "a b"))),
    (
        (("a", "1"), ("a", "2")),
        (("", "1"),),
        (("a",),),
        (("a", "b", "c"),),
        (("a", None),),
        (("a", 1),),
        ((1, "a"),),
        (["a", "b"],),
        [("a", "b")],
        {"a": "b"},
        "ab",
        ("ab",),
        None,
        0,
        True,
        *((("a", odd),) for odd in _NO_LINE),
        *(((odd, "a"),) for odd in _NO_LINE),
    ),
)
UUID = optional(line(36))
#: Names of bridges that os-vif itself creates; never the integration bridge.
OWN = Kind(
    ("tbr-1", "pb", "tbr-" + "x" * 11, "tbr-" + "x" * 245),
    ("br-int", "br-ex", "tbr", "Tbr-1", "xpb", " pb1", "tbr-" + "x" * 246, *BRIDGE.bad),
)
_RESTORE = {"name": PORT, "rows": line(2**20)}

FIELDS: dict[type[OvsStep], dict[str, Kind]] = {
    EnsureOvsBridge: {"name": BRIDGE, "datapath_type": line(32)},
    EnsureOvsPort: {
        "bridge": BRIDGE,
        "name": PORT,
        "type": optional(line(32)),
        "external_ids": PAIRS,
        "options": PAIRS,
        "mtu_request": optional(integer(68, 65535)),
        "isolated": BOOLEAN,
        "qos": optional(line(32)),
        "must_open": BOOLEAN,
    },
    OvsPortName: {"name": PORT},
    DeleteOvsPort: {"name": PORT, "uuid": UUID, "wait": BOOLEAN},
    DeleteOvsBridge: {"name": OWN, "uuid": UUID},
    RestoreOvsPort: _RESTORE | {"bridge": BRIDGE},
    RestoreOvsBridge: _RESTORE | {"name": BRIDGE},
    RestoreOvsInterface: _RESTORE,
}
USUAL = {"bridge": "br-int", "name": "pb1", "rows": "{}"}
CASES = [(step, field) for step, fields in FIELDS.items() for field in fields]


def accepted(step: type[OvsStep], field: str, values: tuple[Any, ...]) -> list[Any]:
    """Return the values that a step accepts; the error of a refused value names the field."""
    needed = [f.name for f in dataclasses.fields(step) if f.default is dataclasses.MISSING]
    taken, named = [], set()
    for value in values:
        try:
            step(**({name: USUAL[name] for name in needed} | {field: value}))
        except exception.InvalidStep as error:
            named.add((error.kwargs["step"], error.kwargs["field"]))
        else:
            taken.append(value)
    assert named <= {(step.__name__, field)}
    return taken


def test_every_field_of_every_step_is_tried_here():
    """An added field or step needs an example in this module."""
    steps = {
        value
        for module in (bridge, hypervisor_port, port, restore)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, OvsStep) and "Ovs" in name
    }
    assert steps - {OvsStep, AwaitedOvsPort} == FIELDS.keys()
    for step, fields in FIELDS.items():
        assert {field.name for field in dataclasses.fields(step)} == fields.keys()


@pytest.mark.parametrize(("step", "field"), CASES)
def test_a_field_takes_what_it_is_for_and_nothing_else(step, field):
    """The limits of the range are valid; other types and values beyond the limits are refused."""
    kind = FIELDS[step][field]
    assert accepted(step, field, kind.good) == list(kind.good)
    assert accepted(step, field, kind.bad) == []


def test_a_port_is_not_its_bridge():
    with pytest.raises(exception.InvalidStep, match="name is 'br-int'; expected another device"):
        EnsureOvsPort("br-int", "br-int")


def test_a_bridge_of_the_kernel_s_datapath_has_a_device_s_name():
    """The error of a longer name has the datapath type that permits longer names."""
    long = set(BRIDGE.good) - set(DEVICE.good)
    for name in DEVICE.good:
        assert EnsureOvsBridge(name, "system").name == name
    for name in (*long, *BRIDGE.bad):
        with pytest.raises(exception.InvalidStep) as info:
            EnsureOvsBridge(name, "system")
        assert info.value.kwargs["field"] == "name"
    with pytest.raises(exception.InvalidStep, match=r"1 to 15 bytes .* of datapath_type netdev"):
        EnsureOvsBridge("x" * 16, "system")
    assert EnsureOvsBridge("x" * 16, "netdev").name == "x" * 16


def test_the_undo_of_what_was_just_made_knows_a_bridge_by_more_than_its_name():
    """The name may be the integration bridge, so the undo has the UUID of the row."""
    assert DeleteOvsBridge("br-int", uuid="0a0b0c0d-1111-4222-8333-444455556666").name == "br-int"


@given(name=st.text(max_size=70))
def test_what_is_taken_as_a_port_s_name_is_one_word(name):
    taken = accepted(EnsureOvsPort, "name", (name,))
    if not taken:
        return
    assert 0 < len(name.encode()) <= validate.MAX_PORT_NAME
    assert name.split() == [name]
    (command,) = EnsureOvsPort("br-int", name).commands()
    assert "\n" not in command


TEXT = st.text(max_size=70) | st.sampled_from(["", "br-int", "tbr-1", "x" * 15, "x" * 16, "a\nb"])
VIFS = st.sampled_from(
    [objects.VIFOpenVSwitch, objects.VIFBridge, objects.VIFVHostUser, objects.VIFHostDevice]
)


@given(
    cls=VIFS,
    names=st.dictionaries(
        st.sampled_from(["vif_name", "bridge_name", "path", "mode", "address"]), TEXT
    ),
    network=st.none() | st.fixed_dictionaries({}, optional={"bridge": TEXT, "mtu": st.integers()}),
    profile=st.none()
    | st.fixed_dictionaries(
        {}, optional={"datapath_type": TEXT, "create_port": st.booleans(), "create_tap": st.booleans()}
    ),
    unplug=st.booleans(),
)  # fmt: skip
def test_a_vif_is_planned_or_refused_by_field(cls, names, network, profile, unplug):
    """An invalid VIF raises a single error with the field, before any change or query."""
    known = {name: value for name, value in names.items() if name in cls.fields}
    fields: dict[str, Any] = {"id": "10000000-0000-4000-8000-000000000000", "plugin": "ovs"}
    try:
        vif = cls(**fields, **known)
        vif.network = network and objects.Network(**network)
        vif.port_profile = None if profile is None else objects.VIFPortProfileOpenVSwitch(
            interface_id=fields["id"], **profile)  # fmt: skip
    except ValueError:
        # What oslo.versionedobjects refuses itself.
        return
    conf = cfg.ConfigOpts()
    conf.register_opts(OvsPlugin.CONFIG_OPTS, group="os_vif_ovs")
    conf.set_override("ovsdb_connection", "unix:/no/such", group="os_vif_ovs")
    plugin = OvsPlugin(conf.os_vif_ovs)
    try:
        plan = (plugin.plan_unplug if unplug else plugin.plan_plug)(vif, objects.InstanceInfo())
    except exception.InvalidField as error:
        said = [error.kwargs[name] for name in ("field", "found", "expected")]
    except exception.OvsdbUnreachable:
        # A virtual function that is not there is looked for in the switch.
        said = ["switch"] if (cls, unplug) == (objects.VIFHostDevice, True) else [None]
    else:
        said = [step.commands() for step in plan]
        assert "\n" not in "".join(command for commands in said for command in commands)
    assert said
    assert None not in said
