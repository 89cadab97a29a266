# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every test here runs in a network namespace of its own, against the real kernel."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest
from oslo_config import cfg
from oslo_serialization import jsonutils

import os_vif
from os_vif import objects
from tests.functional import namespaces, ovs
from vif_plug_linux_bridge import privsep
from vif_plug_ovs import privsep as ovs_privsep

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def rights() -> None:
    """Skip where a network namespace cannot be had, and say which right is missing."""
    missing = namespaces.why_not()
    if missing:
        pytest.skip(missing)
    namespaces.hide_record()


@pytest.fixture
def namespace(rights) -> Iterator[None]:
    """A network namespace of the test's own, with nothing but loopback."""
    # Of a test before, whose namespace has gone; this process has a /run/os-vif of its own.
    for path in pathlib.Path("/run/os-vif").glob("bridge-*"):
        path.unlink()
    with namespaces.private():
        yield


@pytest.fixture
def switch(namespace, tmp_path) -> Iterator[ovs.Switch]:
    """An Open vSwitch in that namespace."""
    missing = ovs.why_not()
    if missing:
        pytest.skip(missing)
    with ovs.Switch(tmp_path) as switch:
        yield switch


@pytest.fixture
def daemon(namespace) -> Iterator[None]:
    """A real privileged daemon in that namespace."""
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize(reset=True)
    yield
    stop_daemon()


def stop_daemon() -> None:
    for context in (privsep.vif_plug, ovs_privsep.vif_plug):
        if context.channel is not None:
            context.stop()


@pytest.fixture
def options() -> Iterator[Callable[..., None]]:
    """Sets options of [os_vif_linux_bridge]; afterwards they are as before."""
    with _setting("os_vif_linux_bridge") as set_options:
        yield set_options


@pytest.fixture
def ovs_options() -> Iterator[Callable[..., None]]:
    """Sets options of [os_vif_ovs]; afterwards they are as before."""
    with _setting("os_vif_ovs") as set_options:
        yield set_options


@contextlib.contextmanager
def _setting(group: str) -> Iterator[Callable[..., None]]:
    given: set[str] = set()

    def set_options(**values: object) -> None:
        for name, value in values.items():
            given.add(name)
            cfg.CONF.set_override(name, value, group=group)

    yield set_options
    for name in given:
        cfg.CONF.clear_override(name, group=group)


@pytest.fixture
def br_int(switch, daemon, ovs_options) -> ovs.Switch:
    """The switch, with the integration bridge that Neutron or OVN has made."""
    ovs_options(ovsdb_connection=switch.connection, ovs_vsctl_timeout=10)
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
    return switch


@pytest.fixture
def vif() -> objects.VIFBridge:
    """A VIF for a bridge without uplink."""
    return bridge_vif(1)


@pytest.fixture
def vif_json(vif, tmp_path) -> str:
    """The path of a file with that VIF, for os-vif."""
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
    return str(path)


@pytest.fixture
def instance() -> objects.InstanceInfo:
    return objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture(scope="session")
def os_vif_command() -> str:
    """The path of the installed ``os-vif``."""
    path = pathlib.Path(sys.executable).parent / "os-vif"
    assert path.exists(), f"{path} is missing: install with pip install -e ."
    return str(path)


def bridge_vif(number: int, bridge: str = "brq-test", mtu: int = 1450) -> objects.VIFBridge:
    return objects.VIFBridge(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:{number:02x}",
        plugin="linux_bridge",
        vif_name=f"tap{number:08x}",
        bridge_name=bridge,
        # As with Neutron: no rules are made for it.
        has_traffic_filtering=True,
        network=objects.Network(bridge=bridge, mtu=mtu, should_provide_bridge=True),
    )
