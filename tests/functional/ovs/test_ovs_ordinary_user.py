# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the ``ovs`` plugin asks of Open vSwitch's database needs no right: here it has none.

The switch is one of an ordinary user, and forwards nothing. No privileged daemon can be started.
Root runs this file once more, in a process without rights.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.host.state.directory import STATE
from testbed import ovs
from testbed.ovs import row
from tests.support.cases import ovs_vif

ROOT = pathlib.Path(__file__).parents[3]
#: Of nobody, on every host.
ORDINARY = 65534
#: It looks at the machine's own network namespace.
pytestmark = pytest.mark.alone

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture(autouse=True)
def _installed():
    if missing := ovs.missing():
        pytest.skip(missing)


@pytest.fixture
def switch(tmp_path, monkeypatch, ovs_options):
    """A switch with an integration bridge, on a host on which os-vif was at work before."""
    record = tmp_path / "os-vif"
    record.mkdir()
    (record / "generation").touch()
    monkeypatch.setattr(STATE, "path", record)
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize(reset=True)
    cfg.CONF.set_override("helper_command", "false", group="vif_plug_ovs_privileged")
    with ovs.DummySwitch(tmp_path) as switch:
        ovs_options(ovsdb_connection=switch.connection, ovs_vsctl_timeout=10)
        switch.vsctl("add-br", "br-int")
        yield switch
    cfg.CONF.clear_override("helper_command", group="vif_plug_ovs_privileged")


def host_device() -> objects.VIFHostDevice:
    """Whose virtual function has gone: what is left of it is to be unplugged."""
    vif = ovs_vif()
    return objects.VIFHostDevice(
        id=vif.id, address=vif.address, plugin="ovs", dev_type="ethernet",
        dev_address="ffff:ff:1f.7", network=vif.network, port_profile=vif.port_profile,
    )  # fmt: skip


#: By name: the VIF, the options, and the bridges and ports that are there when it is plugged.
KINDS: dict[str, tuple[Callable[[], objects.VIFBase], dict[str, object], set[str]]] = {
    "bridge-only": (lambda: ovs_vif(bridge="br-new"), {}, {"br-new"}),
    "port": (
        lambda: ovs_vif(create_port=True),
        {"isolate_vif": True, "default_qos_type": "linux-htb"},
        {"tap0a0b0c0d-11"},
    ),
    "own-bridge": (
        lambda: ovs_vif(create_port=True),
        {"per_port_bridge": True},
        {
            *("pb0a0b0c0d-111", "tap0a0b0c0d-11"),
            *(f"{prefix}0a0b0c0d-1111-4222-8333-444455556666" for prefix in ("pbp", "ibp")),
        },
    ),
    "trunk": (
        lambda: ovs_vif(bridge="tbr-1", create_port=True),
        {"isolate_vif": True},
        {"tbr-1", "tap0a0b0c0d-11"},
    ),
    "vhost-user": (lambda: ovs_vif(objects.VIFVHostUser), {}, {"vhu0a0b0c0d-11"}),
}


def names(switch: ovs.Switch) -> set[str]:
    """Of its bridges and ports."""
    bridges = switch.vsctl("list-br").split()
    return {*bridges, *(p for b in bridges for p in switch.vsctl("list-ports", b).split())}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_made_and_found_and_go(switch, ovs_options, kind):
    """In one transaction each way; a second time nothing changes; nothing is left."""
    make, options, made = KINDS[kind]
    ovs_options(**options)
    before, there = switch.dump(), names(switch)
    os_vif.plug(make(), INSTANCE)
    assert names(switch) - there == made
    assert [d for d in os_vif.check(make(), INSTANCE) if not d.pending] == []
    plugged = switch.dump()
    os_vif.plug(make(), INSTANCE)
    assert switch.dump() == plugged
    os_vif.unplug(make(), INSTANCE)
    # A bridge for others stays; that of a trunk goes with its last port.
    assert names(switch) - there == ({"br-new"} if kind == "bridge-only" else set())
    if kind != "bridge-only":
        assert switch.dump() == before


def test_a_port_has_its_ids_its_qos_and_is_isolated(switch, ovs_options):
    """As with the rights of root."""
    ovs_options(isolate_vif=True, default_qos_type="linux-htb")
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, INSTANCE)
    ids = switch.vsctl("get", "Interface", vif.vif_name, "external_ids")
    assert f'iface-id="{vif.id}"' in ids
    assert f'vm-uuid="{INSTANCE.uuid}"' in ids
    assert row(switch, "Port", vif.vif_name, "tag", "vlan_mode", "trunks") == [
        *("4095", "trunk", "[4095]")
    ]
    qos = switch.vsctl("get", "Port", vif.vif_name, "qos")
    assert row(switch, "QoS", qos, "type") == ["linux-htb"]


def test_the_port_of_a_virtual_function_that_has_gone_goes(switch):
    """By its iface-id; there is nothing of it in the kernel."""
    before = switch.dump()
    os_vif.plug(ovs_vif(create_port=True), INSTANCE)
    os_vif.unplug(host_device(), INSTANCE)
    assert switch.dump() == before


def test_what_is_refused_leaves_the_switch_as_it_was(switch):
    """Also the bridge that the same plug would have made."""
    vif = ovs_vif(bridge="br-new", create_port=True)
    switch.vsctl("add-port", "br-int", vif.vif_name)
    before = switch.dump()
    with pytest.raises(exception.PlugException, match="is in br-int, and not taken from there"):
        os_vif.plug(vif, INSTANCE)
    assert switch.dump() == before


def test_what_needs_a_device_fails_without_the_daemon(switch):
    """With the reason, and no row is made."""
    before = switch.dump()
    with pytest.raises(exception.PlugException, match="Starting the privileged daemon failed"):
        os_vif.plug(ovs_vif(objects.VIFBridge), INSTANCE)
    assert switch.dump() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="is run without rights already")
def test_root_runs_this_file_without_rights(tmp_path):
    """As a user who may read this checkout, whatever its mode, and nothing else."""
    capability = "-all,+dac_read_search"
    user = [
        *("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"),
        *(f"--{kind}={capability}" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
    ]
    tried = subprocess.run([*user, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        # tools/test.sh runs this file outside of its user namespace, too.
        pytest.skip(f"root of this namespace cannot be another user: {tried.stderr.strip()}")
    os.chown(tmp_path, ORDINARY, ORDINARY)
    done = subprocess.run(
        [*user, sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
         f"--basetemp={tmp_path}/pytest", __file__],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
             "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # This test alone, which is for root.
    assert "1 skipped" in done.stdout
