# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The typed program runs: the types that checkers see are the types of the values."""

from __future__ import annotations

import pytest

from os_vif import exception, objects, serialization
from os_vif.plugin import PluginBase
from tests.typing import usage


def test_typed_program_runs():
    """Each function of the program has the result that its types promise."""
    vif = usage.make_vif()
    assert serialization.dumps(usage.store(vif)) == serialization.dumps(vif)
    assert usage.use_choices().mode == "client"
    assert set(usage.use_pods().vifs) == {"eth0", "net1"}
    assert any(line.startswith("noop: ") for line in usage.read_host())
    assert "qbr5a1d3c2e-0b" in str(usage.plan_bridge())
    own = objects.VIFBridge(
        id=usage.PORT,
        vif_name="tap5a1d3c2e-0b",
        bridge_name="brq-own",
        network=objects.Network(bridge="brq-own", should_provide_bridge=True),
        port_profile=vif.port_profile,
    )
    bridge, ovs = usage.plan_with_own_plugins(own)
    assert "brq-own" in str(bridge)
    assert "qvo5a1d3c2e-0b" in str(ovs)


def test_parameter_of_the_base_class_has_no_effect_at_run_time():
    """The plugin has the same base classes as a plugin without the parameter."""
    assert PluginBase[objects.VIFBridge] is PluginBase
    assert usage.BridgePlugin.__mro__[1:] == usage.PlainPlugin.__mro__[1:]


def test_misspelt_keyword_is_still_accepted_at_run_time():
    """Consumers pass keywords that become plain attributes."""
    assert objects.VIFBridge(vif_nam="tap0").vif_nam == "tap0"


def test_document_of_another_class_is_refused():
    """The class may be a parent; the error names the found and the expected class."""
    data = serialization.to_document(objects.VIFBridge(vif_name="tap0"))
    assert serialization.from_document(data, objects.VIFBase).vif_name == "tap0"
    with pytest.raises(exception.UnknownKind, match=r"kind.*VIFBridge.*VIFDirect or a subclass"):
        serialization.from_document(data, objects.VIFDirect)


@pytest.mark.parametrize("form", ["json", "ovo", "protobuf"])
def test_object_of_another_class_is_refused(form):
    """A parent of the class is accepted; the error names the found and the expected class."""
    stored = serialization.dumps(objects.VIFBridge(vif_name="tap0"), form)
    assert serialization.loads(stored, objects.VIFBase).vif_name == "tap0"
    with pytest.raises(exception.UnknownKind, match=r"kind.*VIFBridge.*VIFDirect or a subclass"):
        serialization.loads(stored, objects.VIFDirect)
