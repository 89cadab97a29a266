# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif check`` loads the plugin of the VIF only, and has the errors of the other commands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from oslo_serialization import jsonutils

import os_vif as library
from os_vif import exception, plugin_loader


@pytest.fixture
def late(monkeypatch):
    """Load each plugin at first use, as the command does."""
    monkeypatch.setattr(plugin_loader, "loads_late", True)
    library.initialize(reset=True)
    yield library._manager()
    monkeypatch.undo()
    library.initialize(reset=True)


def test_an_unknown_plugin_has_the_same_error_in_check_and_plan(namespace, vif, os_vif):
    """All installed plugins are listed."""
    vif.plugin = "nonesuch"
    text = jsonutils.dumps(vif.obj_to_primitive())
    check, plan = os_vif("check", text=text), os_vif("plan", text=text)
    assert (check.returncode, check.stderr) == (plan.returncode, plan.stderr)
    assert check.returncode == 2
    assert "linux_bridge, noop, ovs, sriov" in check.stderr


def test_a_broken_plugin_has_the_same_error_in_check_and_plan(vif, tmp_path):
    """The plugin is of another distribution, and cannot be imported."""
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[os_vif]\nbroken = broken_plugin:Broken\n")
    (tmp_path / "broken_plugin.py").write_text("import nonesuch_library\n")
    vif.plugin = "broken"
    said = {}
    for command in ("check", "plan"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "os_vif.cmd.main", command],
            input=jsonutils.dumps(vif.obj_to_primitive()),
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
        )
        said[command] = (done.returncode, done.stdout, done.stderr)
    assert said["check"] == said["plan"]
    assert "nonesuch_library" in said["check"][2]


def test_a_list_of_plugins_loads_all_plugins(late):
    """As by initialize() of a service."""
    assert late["noop"].obj is library._plugin("noop")
    assert {plugin.plugin_name for plugin in library.host_info().plugin_info} == {
        "linux_bridge", "noop", "ovs", "sriov",
    }  # fmt: skip
    assert library.plugin_errors() == {}


def test_a_missing_plugin_is_no_plugin(late):
    """The error is that of a service."""
    with pytest.raises(exception.NoMatchingPlugin, match="Did you mean 'ovs'"):
        library._plugin("ovss")
