# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The plugin ``noop`` of kuryr-kubernetes 10.0.0 beside the plugin ``noop`` of this os_vif."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testbed import environments
from tests.support.interop import vendor_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject

pytestmark = pytest.mark.interop

KURYR = "kuryr_kubernetes.os_vif_plug_noop:NoOpPlugin"
OURS = "os_vif.plugins.noop:NoOpPlugin"
PROGRAM = """
import json, logging, sys
messages = []
class Keep(logging.Handler):
    def emit(self, record):
        messages.append(record.getMessage())
logging.getLogger("os_vif").addHandler(Keep(logging.WARNING))
import os_vif
from os_vif import exception, objects
from kuryr_kubernetes import os_vif_plug_noop
from kuryr_kubernetes.objects import vif as kuryr_vif
os_vif.initialize()
ID = "2ccfa1ea-4c06-4a50-9ffb-41d5b5ed0d9c"
instance = objects.instance_info.InstanceInfo(uuid=ID, name="pod")
common = {"id": ID, "plugin": "noop", "vif_name": "eth0"}
vifs = [
    kuryr_vif.VIFVlanNested(vlan_id=7, **common),
    kuryr_vif.VIFMacvlanNested(**common),
    objects.vif.VIFVHostUser(path="/run/vhu0", mode="client", **common),
]
for vif in vifs:
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
own = os_vif_plug_noop.NoOpPlugin.load("noop")
info = own.describe()
described = {info.plugin_name: [vif.vif_object_name for vif in info.vif_info]}
try:
    os_vif.plan(vifs[0], instance)
    planned = "planned"
except exception.PlanNotSupported as error:
    planned = str(error)
sys.stdout.write(json.dumps(
    {"messages": messages, "described": described, "planned": planned}))
"""


@pytest.fixture
def kuryr(subject: Subject, tmp_path: Path) -> vendor_plugins.Vendor:
    """Provide the environment of kuryr-kubernetes."""
    pinned = environments.pins("kuryr")
    return vendor_plugins.vendor("kuryr", pinned, (), subject, tmp_path)


def test_one_of_the_two_plugins_is_loaded_and_plugs_the_vifs_of_both(
    kuryr: vendor_plugins.Vendor,
) -> None:
    result = kuryr.run(PROGRAM)
    (warning,) = result["messages"]
    assert warning.startswith("2 os-vif plugins are named 'noop' (")
    assert KURYR in warning
    assert OURS in warning
    assert warning.endswith((f"; {KURYR} is used", f"; {OURS} is used"))
    assert result["described"] == {"noop": ["VIFVlanNested", "VIFMacvlanNested", "VIFDPDKNested"]}
    assert (result["planned"] == "planned") == warning.endswith(f"{OURS} is used")


def test_the_command_lists_the_loaded_plugin(kuryr: vendor_plugins.Vendor) -> None:
    done = kuryr.command("plugins", "-f", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    noop = {row["VIF"] for row in rows if row["Plugin"] == "noop"}
    assert noop in (
        {"VIFVHostUser"},
        {"VIFVlanNested", "VIFMacvlanNested", "VIFDPDKNested"},
    )
    assert {"linux_bridge", "ovs", "sriov"} <= {row["Plugin"] for row in rows}
