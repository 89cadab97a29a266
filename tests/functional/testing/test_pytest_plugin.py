# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The fixtures of the pytest plugin, in a run of pytest outside of this tree."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

import pytest

from testbed.environments import CHECKOUT

#: An ordinary user without any capability.
ORDINARY = [
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all", "--bounding-set=-all"),
]
#: Root of a user namespace in which the kernel permits no network namespace.
WITHOUT_NAMESPACES = [
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"',
    "sh",
]
TESTS = """
import pathlib

import pytest

import os_vif
from os_vif import objects
from os_vif.host.sriov import functions
from os_vif.testing.guests import Hypervisor
from vif_plug_linux_bridge import privsep

VIF = objects.VIFBridge(
    id="00000001-0000-4000-8000-000000000000", address="fa:16:3e:00:00:01",
    plugin="linux_bridge", vif_name="tap00000001", bridge_name="brq-test",
    has_traffic_filtering=True,
    network=objects.Network(bridge="brq-test", should_provide_bridge=True))
INSTANCE = objects.InstanceInfo(name="guest")

def plug_and_unplug(host):
    assert host.devices == {"lo"} and host.records == set()
    assert list(host.state_directory.iterdir()) == []
    before = host.snapshot()
    os_vif.plug(VIF, INSTANCE)
    assert "brq-test" in host.devices and host.records == {VIF.id}
    assert host.differences(before) != []
    os_vif.unplug(VIF, INSTANCE)
    assert host.differences(before) == []

def test_host_with_a_daemon(host):
    plug_and_unplug(host)
    assert not host.in_process and privsep.vif_plug.channel is not None

@pytest.mark.os_vif_in_process
def test_host_in_process(host):
    plug_and_unplug(host)
    assert host.in_process and privsep.vif_plug.channel is None

def test_host_with_a_daemon_after_one_in_process(host):
    plug_and_unplug(host)
    assert privsep.vif_plug.channel is not None

def test_switch(switch, host):
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
    assert "br-int" in host.devices

def test_card(card, host):
    assert functions.SYS == card.net.parents[1]
    assert (functions.SYS / "bus/pci/devices/0000:03:01.3/physfn").exists()

def test_guest(guest, host):
    os_vif.plug(VIF, INSTANCE)
    host.run("ip address add 192.0.2.1/24 dev brq-test")
    with Hypervisor() as hypervisor:
        hypervisor.attach(guest, VIF, "192.0.2.2/24")
        assert guest.ping("192.0.2.1")
"""


def python_for(prefix: list[str]) -> str:
    """Return a Python of this version that a user may run; skip the test without one."""
    version = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, version):
        with contextlib.suppress(FileNotFoundError):
            done = subprocess.run([*prefix, python, "-c", ""], capture_output=True, check=False)
            if done.returncode == 0:
                return python
    return pytest.skip(f"{prefix[0]} or Python may not be run here")


def run_pytest(prefix: list[str]) -> str:
    """Run the tests of this module by pytest, as the user of *prefix*; return the output."""
    python = python_for(prefix)
    paths = (str(CHECKOUT), sysconfig.get_path("purelib"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTEST_ADDOPTS", None)
    # Other users cannot read the directory of pytest.
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_outside.py").write_text(TESTS)
        command = [python, "-B", "-W", "ignore", "-m", "pytest", "-q", "-rs"]
        done = subprocess.run(
            [*prefix, *command, "-p", "no:cacheprovider", f"--basetemp={folder}/base"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment | {"HOME": name},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("prefix", [[], ORDINARY], ids=["root", "ordinary-user"])
def test_the_fixtures_work_outside_of_the_tree(rights, prefix):
    """An ordinary user enters a user namespace at the first use of a fixture."""
    output = run_pytest(prefix)
    if prefix == ORDINARY and "needs CAP_SYS_ADMIN" in output:
        pytest.skip("the kernel permits no user namespaces to ordinary users")
    if prefix == ORDINARY and f"needs to execute {sys.executable}: " in output:
        pytest.skip(f"an ordinary user cannot execute {sys.executable}")
    # Of the devices of a switch, an ordinary user may lack /dev/net/tun.
    tun = "needs to read and write /dev/net/tun" in output
    assert ("5 passed, 1 skipped" if tun else "6 passed") in output


def test_a_missing_right_skips_the_tests_and_is_named():
    output = run_pytest(WITHOUT_NAMESPACES)
    assert "6 skipped" in output
    assert "needs CAP_SYS_ADMIN and CAP_NET_ADMIN" in output


def test_the_plugin_imports_pytest_and_no_library_of_os_vif():
    """pytest loads the plugin in each run of an environment with os-vif."""
    code = (
        "import sys, pytest; before = set(sys.modules); import os_vif.testing.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    loaded = done.stdout.split()
    assert "os_vif.testing.pytest_plugin" in loaded
    heavy = ("oslo", "pyroute2", "stevedore", "os_vif.engine.", "os_vif.host.", "os_vif.plugins.")
    assert [name for name in loaded if name.startswith(heavy)] == []
