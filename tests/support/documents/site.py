# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A folder on the module path with plugins that a test installs."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap


class Site:
    """A folder on the module path of Python, with distributions."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def install(self, name: str, entry_points: str, code: str) -> None:
        """Install a distribution with a single module of the same name."""
        info = self.path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[os_vif]\n{entry_points}\n")
        (self.path / f"{name}.py").write_text(textwrap.dedent(code))

    def run(self, code: str) -> subprocess.CompletedProcess:
        """Run a program successfully, and return the result with the log."""
        program = PROLOGUE + textwrap.dedent(code)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.path,
            env={"PYTHONPATH": f"{self.path}:{ROOT}", "HOME": str(self.path), "PATH": "/bin"},
        )
        assert done.returncode == 0, done.stderr
        return done


GOOD = """
    from os_vif import objects
    from os_vif.objects import host_info
    from os_vif.plugin import PluginBase

    class Good(PluginBase):
        calls = []
        def describe(self):
            return host_info.describe("good", {objects.VIFGeneric: ()})
        def plug(self, vif, instance_info):
            self.calls.append(("plug", vif, instance_info))
        def unplug(self, vif, instance_info):
            raise ValueError("the switch said no")
"""


ROOT = pathlib.Path(__file__).parents[3]


PROLOGUE = """
import logging
logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
import os_vif
from os_vif import exception, objects

def vif(plugin):
    return objects.VIFBridge(id="1b2c3d4e-0000-4000-8000-000000000000", plugin=plugin)

INSTANCE = objects.InstanceInfo()
"""
