# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ways of plugging of the ovs plugin, and a host on which the public 5.3.0 plugs beside ours."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys as system
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects, opts
from os_vif.testing import private_namespaces
from os_vif.testing.fake_card import card
from os_vif.testing.host_snapshots import differences, without_indexes
from os_vif.testing.private_namespaces import run
from os_vif.testing.quick_daemons import stop_daemons
from testbed import environments, ovs
from testbed.environments import Subject
from tests.support.cases import ovs_vif
from tests.support.interop.public import SYSFS, Public

INSTANCE = objects.InstanceInfo(
    uuid="b0000000-0000-4000-8000-000000000000", name="guest", project_id="p"
)
TAP = {"create_port": True, "create_tap": True, "multiqueue": False}


@pytest.fixture(scope="module")
def rights() -> None:
    """Skip without root or Open vSwitch."""
    missing = private_namespaces.missing_right() or ovs.missing_requirement()
    if missing:
        pytest.skip(missing)
    private_namespaces.hide_state_directory()


@pytest.fixture(scope="module")
def public(rights, tmp_path_factory) -> Public:
    """Return the public release 5.3.0, in a private environment."""
    scratch = tmp_path_factory.mktemp("public-5.3.0")
    try:
        subject = Subject.from_public_release(scratch)
        pinned = environments.pins("public")
        python = environments.environment("public-5.3.0", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Public("5.3.0", python, subject, scratch, INSTANCE)


@contextlib.contextmanager
def seen_by(public: Public, sys: pathlib.Path) -> Iterator[None]:
    """Show a card with virtual functions to both releases, for the block."""
    run("ip link add name rep0 mtu 1450 type veth peer name far")
    # The installed helper, in a mount namespace whose /sys shows the card.
    mounts = " && ".join(f"mount --bind {sys}/{part} /sys/{part}" for part in SYSFS)
    helper = pathlib.Path(system.executable).with_name("privsep-helper")
    command = f"unshare --mount sh -c '{mounts} && exec \"$@\"' sh {helper}"
    group = "vif_plug_ovs_privileged"
    with card(sys):
        public.sysfs = sys
        cfg.CONF.set_default("helper_command", command, group=group)
        try:
            yield
        finally:
            public.sysfs = None
            cfg.CONF.clear_default("helper_command", group=group)


@contextlib.contextmanager
def host(
    public: Public, directory: pathlib.Path, *, has_card: bool = False, **options: object
) -> Iterator[ovs.Switch]:
    """Return a switch in a private namespace, after the configuration of both releases."""
    directory.mkdir()
    with (
        private_namespaces.private_namespace(),
        ovs.Switch(directory) as switch,
        seen_by(public, directory / "sys") if has_card else contextlib.nullcontext(),
    ):
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        configure(public, switch, **options)
        try:
            yield switch
        finally:
            for option in opts.OVS:
                cfg.CONF.clear_override(option.name, group="os_vif_ovs")
            stop_daemons()


def configure(public: Public, switch: ovs.Switch, **options: object) -> None:
    """Set the address of the switch, and further options, for both releases."""
    given = options | {"ovsdb_connection": switch.connection, "ovs_vsctl_timeout": 20}
    privileged = {"helper_command": public.helper}
    public.configure({"vif_plug_ovs_privileged": privileged, "os_vif_ovs": given})
    for name, value in given.items():
        cfg.CONF.set_override(name, value, group="os_vif_ovs")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way of plugging that both releases have."""

    #: Further arguments of :func:`ovs_vif`, after the number.
    vif: tuple[object, ...] = ()
    profile: dict[str, object] = dataclasses.field(default_factory=dict)
    mode: str = "server"
    options: dict[str, object] = dataclasses.field(default_factory=dict)
    #: Beginnings of the lines for intended differences, after a plug and after an unplug.
    known: tuple[str, ...] = ()
    #: Whether guests on two VIFs can ping each other.
    pings: bool = False
    #: Whether the host has a card with virtual functions. A veth simulates the representor.
    card: bool = False

    def make(self, number: int = 0) -> objects.VIFBase:
        profile = {"create_port": False, "create_tap": False, "datapath_type": "netdev"}
        return ovs_vif(*self.vif, number=number, mode=self.mode, **profile | self.profile)


_OWN, _FAR = "/switch/bridges/pb0a0b0c0d-111/ports[2]", "/switch/bridges/br-int/ports[0]"
#: The host must have no IPv6 address on the pair of devices.
_NO_IPV6 = ("/qvb0a0b0c0d-11/disable_ipv6", "/qvo0a0b0c0d-11/disable_ipv6")
KINDS = {
    "tap": Kind(profile=TAP, pings=True),
    "own-bridge": Kind(profile=TAP, options={"per_port_bridge": True}, pings=True),
    "hybrid": Kind((objects.VIFBridge,), known=_NO_IPV6, pings=True),
}
#: Kinds of the interop tier only.
LONG = {
    "port": Kind(profile={"create_port": True}, pings=True),
    "isolated": Kind(profile={"create_port": True}, options={"isolate_vif": True}),
    "vhost-user": Kind((objects.VIFVHostUser,)),
    "bridge-only": Kind(),
    "bridge-that-is-made": Kind((objects.VIFOpenVSwitch, "br-new")),
    "multiqueue": Kind(profile=TAP | {"multiqueue": True}, pings=True),
    "isolated-hybrid": Kind((objects.VIFBridge,), options={"isolate_vif": True}, known=_NO_IPV6),
    "trunk": Kind((objects.VIFOpenVSwitch, "tbr-1"), profile=TAP, options={"isolate_vif": True}),
    "hybrid-in-a-trunk": Kind((objects.VIFBridge, "tbr-1"), known=_NO_IPV6),
    # The device is not part of the VIF: a plug configures it, and an unplug sets it down.
    "representor": Kind(
        (objects.VIFHostDevice,), profile={"datapath_type": "system"}, card=True,
        known=("/rep0/disable_ipv6",) * 2,
    ),
    # 5.3.0 does not set MTU and MAC address of the function.
    "representor-of-dpdk": Kind(
        (objects.VIFHostDevice,), card=True,
        known=(f"{_FAR}/interfaces/mtu_request", f"{_FAR}/interfaces/options/dpdk-vf-mac"),
    ),
    "vhost-user-client": Kind((objects.VIFVHostUser,), mode="client"),
    # 5.3.0 isolates the port of the guest permanently, and the patch port incompletely.
    "own-bridge-isolated": Kind(
        profile=TAP,
        options={"per_port_bridge": True, "isolate_vif": True},
        known=tuple(f"{_FAR}/{column}" for column in ("trunks", "vlan_mode"))
        + tuple(f"{_OWN}/{column}" for column in ("tag", "trunks", "vlan_mode")),
    ),
    # 5.3.0 creates a QoS row, and does not delete the row.
    "vhost-user-without-a-datapath": Kind(
        (objects.VIFVHostUser,), profile={"datapath_type": None},
        known=(f"{_FAR}/qos", "/switch/unused"),
    ),
}  # fmt: skip
ALL = KINDS | LONG
#: ``Plugged.way`` of each kind with a port of os-vif.
INVENTORY_WAYS = {
    "tap": "port",
    "own-bridge": "per-port bridge",
    "hybrid": "hybrid",
    "port": "port",
    "isolated": "port",
    "vhost-user": "vhost-user",
    "multiqueue": "port",
    "isolated-hybrid": "hybrid",
    "trunk": "trunk",
    "hybrid-in-a-trunk": "hybrid",
    "representor": "representor",
    "representor-of-dpdk": "DPDK representor",
    "vhost-user-client": "vhost-user",
    "own-bridge-isolated": "per-port bridge",
    "vhost-user-without-a-datapath": "vhost-user",
}


def by_public(public: Public, switch: ovs.Switch, action: str, vif: objects.VIFBase) -> None:
    """Plug or unplug with the public release.

    A plug by 5.3.0 also sets the datapath of an existing bridge; the switch has a single datapath.
    """
    public.run(action, vif)
    if vif.port_profile.datapath_type == "system":
        switch.vsctl("set", "Bridge", "br-int", "datapath_type=netdev")


def is_gone(before: dict, switch: ovs.Switch) -> bool:
    """Return whether the host is as before, except for the bridge and IPv6 of a representor."""
    switch.vsctl("--if-exists", "del-br", "br-new")
    found = differences(without_indexes(before), indexes=False)
    return [line for line in found if "/conf/rep0/disable_ipv6:" not in line] == []
