# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The plugin ``midonet`` of networking-midonet 11.0.0 with this os_vif, on a real host.

The published packages of networking-midonet have the class ``MidoNetPlugin`` and no entry point of
the group ``os_vif``; the test adds the entry point. The program ``mm-ctl`` of MidoNet is not on the
package index: a plug without the program fails, and a script that writes its arguments takes the
place of the program in the other test.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from os_vif.testing import private_namespaces
from os_vif.testing.host_snapshots import ip
from tests.support.interop import vendor_plugins

if TYPE_CHECKING:
    from testbed.environments import Subject

pytestmark = pytest.mark.interop

PLUGIN = "networking-midonet==11.0.0"
ENTRY_POINTS = "[os_vif]\nmidonet = midonet.os_vif.vif_midonet:MidoNetPlugin\n"
METADATA = "Metadata-Version: 2.1\nName: midonet-os-vif\nVersion: 1\n"
PORT = "2ccfa1ea-4c06-4a50-9ffb-41d5b5ed0d9c"
PROGRAM = f"""
import json, sys
from oslo_config import cfg
import os_vif
from os_vif import exception, objects
cfg.CONF([], project="test", default_config_files=["my.conf"])
os_vif.initialize()
vif = objects.vif.VIFGeneric(id="{PORT}", plugin="midonet", vif_name="tap2ccfa1ea-4c")
try:
    getattr(os_vif, "ACTION")(vif, objects.instance_info.InstanceInfo(uuid=vif.id, name="guest"))
    result = "done"
except exception.ExceptionBase as error:
    result = f"{{type(error).__name__}}: {{error}}"
sys.stdout.write(json.dumps(result))
"""
#: A program in place of MidoNet's own: writes its arguments.
MM_CTL = '#!/bin/sh\necho "$*" >>{journal}\n'


@pytest.fixture(scope="module")
def rights() -> None:
    """Skip the tests if a right is missing; give this process a private state directory."""
    missing = private_namespaces.missing_right()
    if missing:
        pytest.skip(missing)
    private_namespaces.hide_state_directory()


@pytest.fixture
def midonet(rights: None, subject: Subject, tmp_path: Path) -> Iterator[vendor_plugins.Vendor]:
    """Provide the environment of the plugin, in a network namespace."""
    made = vendor_plugins.vendor(
        "midonet", f"{PLUGIN}\n", vendor_plugins.LIBRARIES, subject, tmp_path
    )
    information = tmp_path / "site" / "midonet_os_vif-1.dist-info"
    information.mkdir(parents=True)
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    (information / "METADATA").write_text(METADATA)
    helper = f"{made.python.parent}/privsep-helper"
    groups = ("vif_plug_midonet", "vif_plug_midonet_mm_ctl")
    lines = [f"[{group}]\nhelper_command = {helper}\n" for group in groups]
    (tmp_path / "my.conf").write_text("".join(lines))
    with private_namespaces.private_namespace():
        # The plugin looks for the device in the sysfs of the namespace.
        private_namespaces.run("mount -t sysfs none /sys")
        try:
            yield dataclasses.replace(made, site=tmp_path / "site")
        finally:
            private_namespaces.run("umount /sys")


def test_midonet_is_loaded_and_listed(midonet: vendor_plugins.Vendor) -> None:
    done = midonet.command("plugins", "-f", "json")
    assert done.returncode == 0, done.stderr
    listed = [row["VIF"] for row in json.loads(done.stdout) if row["Plugin"] == "midonet"]
    assert listed == ["VIFGeneric"]


def test_a_plug_without_mm_ctl_is_a_plug_exception(midonet: vendor_plugins.Vendor) -> None:
    error = midonet.run(PROGRAM.replace("ACTION", "plug"))
    assert error.startswith("PlugException: ")
    # oslo.privsep hands the number and the text of an OSError to the caller, without the file.
    assert "plugin=midonet" in error
    assert error.endswith("[Errno 2] No such file or directory")
    # The plugin creates the device before the call of the program, and cleans up nothing.
    assert "tap2ccfa1ea-4c" in {link["ifname"] for link in ip("link")}


def test_midonet_plugs_and_unplugs(midonet: vendor_plugins.Vendor, tmp_path: Path) -> None:
    programs, journal = tmp_path / "programs", tmp_path / "journal"
    programs.mkdir()
    (programs / "mm-ctl").write_text(MM_CTL.format(journal=journal))
    (programs / "mm-ctl").chmod(0o755)
    equipped = dataclasses.replace(midonet, programs=programs)
    assert equipped.run(PROGRAM.replace("ACTION", "plug")) == "done"
    (device,) = [link for link in ip("link") if link["ifname"] == "tap2ccfa1ea-4c"]
    assert "UP" in device["flags"]
    assert equipped.run(PROGRAM.replace("ACTION", "unplug")) == "done"
    assert "tap2ccfa1ea-4c" not in {link["ifname"] for link in ip("link")}
    assert journal.read_text().splitlines() == [
        f"--bind-port {PORT} tap2ccfa1ea-4c",
        f"--unbind-port {PORT}",
    ]
