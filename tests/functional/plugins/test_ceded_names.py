# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A name that the public os-vif never had belongs to another distribution that registers it.

The distribution is installed by pip; its entry point is named ``sriov``, as that of
kuryr-kubernetes 0.6.0 to 6.0.1.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from testbed import environments

SOURCE = pathlib.Path(__file__).parents[2] / "plugins" / "kuryr"
PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level=logging.INFO)
import os_vif
from os_vif import exception, objects, opts
os_vif.initialize()
"""
VIF = """
vif = objects.VIFDirect(
    id="1b2c3d4e-0000-4000-8000-000000000000", plugin="sriov", address="fa:16:3e:00:00:01",
    vif_name="eth0", dev_type="ethernet", dev_address="ffff:ff:1f.7")
"""
LEAVES = "the plugin of os-vif with that name is not loaded"
PLUG = f"""{VIF}
os_vif.plug(vif, objects.InstanceInfo(name="pod"))
os_vif.unplug(vif, objects.InstanceInfo(name="pod"))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> pathlib.Path:
    """A folder with that distribution, as pip installs it."""
    folder = tmp_path_factory.mktemp("kuryr")
    for name in ("pyproject.toml", "kuryr_like.py"):
        (folder / name).write_text((SOURCE / name).read_text())
    pip = (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check")
    done = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--no-index", "--target", folder / "site",
         folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environments.without_python_settings(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def run(code: str, *path: pathlib.Path) -> str:
    python_path = os.pathsep.join(filter(None, (*map(str, path), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", PROGRAM + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": python_path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plugin_of_the_other_distribution_plugs_and_unplugs(site):
    """Its plug() and unplug() are called, not ours, which would refuse such a VIF."""
    told = run(PLUG, site)
    assert "kuryr's own plug\n" in told
    assert "kuryr's own unplug\n" in told


def test_one_line_of_the_log_says_whose_the_name_is(site):
    """And no line of it is a warning: nothing is wrong."""
    told = [line for line in run("", site).splitlines() if "sriov'" in line]
    assert told == [f"INFO The os-vif plugin 'sriov' is kuryr_like:SriovPlugin; {LEAVES}"]
    assert "WARNING" not in run("", site)


def test_what_the_host_can_plug_and_its_options_are_those_of_the_other_plugin(site):
    """Also where the options are listed for a sample configuration."""
    told = run(
        """
print(*(v.vif_object_name for p in os_vif.host_info().plugin_info
        if p.plugin_name == "sriov" for v in p.vif_info))
print(*(option.name for option in dict(opts.list_plugins_opts())["os_vif_sriov"]))
""",
        site,
    )
    assert told.splitlines()[-2:] == ["VIFSriov", "of_kuryr"]


def test_a_plugin_that_cannot_be_imported_keeps_its_name(site, tmp_path):
    """Our own would do something else than what the name stands for on that host."""
    (tmp_path / "kuryr_like.py").write_text("import no_such_module\n")
    told = run(
        VIF + "\ntry: os_vif.plug(vif, objects.InstanceInfo())\n"
        "except exception.PluginNotLoaded as error: print('refused', error)",
        tmp_path, site,
    )  # fmt: skip
    assert "refused" in told
    assert "no_such_module" in told


def test_without_another_distribution_the_name_is_ours():
    """As on a host of nova."""
    told = run(
        "print(*(p.plugin_name for p in os_vif.host_info().plugin_info), "
        'type(os_vif._plugin("sriov")).__module__)'
    )
    assert told.splitlines()[-1] == "linux_bridge noop ovs sriov os_vif.plugins.sriov"
