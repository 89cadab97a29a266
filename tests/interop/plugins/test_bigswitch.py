# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The plugin ``ivs`` of os-vif-bigswitch 12.0.2 with this os_vif: loaded, described, and called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.interop import vendor_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.environments import Subject

PLUGIN = "os-vif-bigswitch==12.0.2"
PROGRAM = """
import json, sys
import os_vif
from os_vif import exception, objects
os_vif.initialize()
vif = objects.vif.VIFGeneric(
    id="2ccfa1ea-4c06-4a50-9ffb-41d5b5ed0d9c", plugin="ivs", vif_name="tap1")
info = os_vif.host_info()
described = {p.plugin_name: [v.vif_object_name for v in p.vif_info] for p in info.plugin_info}
try:
    os_vif.plug(vif, objects.instance_info.InstanceInfo(uuid=vif.id, name="guest"))
    plugged = "plugged"
except exception.PlugException as error:
    plugged = str(error)
sys.stdout.write(json.dumps({"file": os_vif.__file__, "ivs": described["ivs"], "plug": plugged}))
"""


@pytest.mark.interop
def test_ivs_is_loaded_and_described_and_its_mapping_access_fails_as_with_5_3_0(
    subject: Subject, tmp_path: Path
) -> None:
    libraries = vendor_plugins.LIBRARIES
    bigswitch = vendor_plugins.vendor("bigswitch", f"{PLUGIN}\n", libraries, subject, tmp_path)
    result = bigswitch.run(PROGRAM)
    assert result["file"] == str(subject.path / "os_vif" / "__init__.py")
    assert result["ivs"] == ["VIFBridge", "VIFGeneric"]
    # The plugin reads vif["vif_name"], which the objects of 5.3.0 refuse too.
    assert "'VIFGeneric' object is not subscriptable" in result["plug"]
