# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A caller that eventlet has monkey-patched, as nova-compute is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from os_vif.testing.host_snapshots import ip

PROGRAM = """
import eventlet
eventlet.monkey_patch()
import os_vif
from oslo_config import cfg
from os_vif import objects

cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
instance = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000")

def vif(number):
    return objects.VIFBridge(
        id=f"{number}0000000-0000-4000-8000-000000000000", plugin="linux_bridge",
        vif_name=f"tap{number}", bridge_name=f"brq{number % 3}",
        network=objects.Network(mtu=1450, should_provide_bridge=True))

def plug(one):
    os_vif.initialize()
    os_vif.plug(one, instance)
    assert os_vif.check(one, instance) == ()

ticks = []
def tick():
    while True:
        ticks.append(1)
        eventlet.sleep(0.01)
eventlet.spawn(tick)

vifs = [vif(n) for n in range(1, 9)]
with eventlet.Timeout(60):
    pool = eventlet.GreenPool()
    list(pool.imap(plug, vifs))
    import subprocess
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
    assert links.count("brq") == 3, links
    list(pool.imap(lambda one: os_vif.unplug(one, instance), vifs))
# Other green threads went on while the daemon worked.
assert len(ticks) > 1
"""


@pytest.mark.usefixtures("namespace")
def test_a_monkey_patched_caller_plugs_from_green_threads():
    """All at once, and nothing else in the process stands still."""
    pytest.importorskip("eventlet", reason="oslo.versionedobjects no longer brings eventlet")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [link["ifname"] for link in ip("link")] == ["lo"]
