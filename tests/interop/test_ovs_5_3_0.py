# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""On one switch, the ovs plugin of the public os-vif 5.3.0 and ours take turns.

Both run for real, each with a privileged daemon of its own, on VIFs that are stored as 5.3.0
stores them. What they leave is equal, but for our marks and what is named here.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects
from tests.functional import namespaces, ovs
from tests.functional.cases import ovs_vif
from tests.functional.conftest import stop_daemon
from tests.functional.namespaces import changes, differs, ip, snapshot, without_indexes
from tests.interop import environments
from tests.interop.environments import Subject
from tests.interop.public import Public

INSTANCE = objects.InstanceInfo(
    uuid="b0000000-0000-4000-8000-000000000000", name="guest", project_id="p"
)
TAP = {"create_port": True, "create_tap": True, "multiqueue": False}


@pytest.fixture(scope="module")
def rights() -> None:
    missing = namespaces.why_not() or ovs.why_not()
    if missing:
        pytest.skip(missing)
    namespaces.hide_record()


@pytest.fixture(scope="module")
def public(rights, tmp_path_factory) -> Public:
    """The public release, in an environment of its own."""
    scratch = tmp_path_factory.mktemp("public-5.3.0")
    try:
        subject = Subject.from_public_release(scratch)
        pinned = environments.pins("public")
        python = environments.environment("public-5.3.0", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Public("5.3.0", python, subject, scratch, INSTANCE)


@contextlib.contextmanager
def host(public: Public, directory: pathlib.Path, **options: object) -> Iterator[ovs.Switch]:
    """A network namespace with a switch, and both configured for it."""
    directory.mkdir()
    with namespaces.private(), ovs.Switch(directory) as switch:
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        given = options | {"ovsdb_connection": switch.connection, "ovs_vsctl_timeout": 20}
        privileged = {"helper_command": public.helper}
        public.configure({"vif_plug_ovs_privileged": privileged, "os_vif_ovs": given})
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        for name, value in given.items():
            cfg.CONF.set_override(name, value, group="os_vif_ovs")
        try:
            yield switch
        finally:
            for name in given:
                cfg.CONF.clear_override(name, group="os_vif_ovs")
            stop_daemon()


#: By name: the VIF, the options, and what differs on purpose, by the beginning of its line.
KINDS = {
    "port": (
        lambda: ovs_vif(create_port=True, create_tap=False, datapath_type="netdev"), {}, ()
    ),
    "tap": (lambda: ovs_vif(**TAP, datapath_type="netdev"), {}, ()),
    "isolated": (
        lambda: ovs_vif(create_port=True, create_tap=False, datapath_type="netdev"),
        {"isolate_vif": True},
        (),
    ),
    "own-bridge": (
        lambda: ovs_vif(**TAP, datapath_type="netdev"), {"per_port_bridge": True}, ()
    ),
    "hybrid": (
        lambda: ovs_vif(objects.VIFBridge, create_port=False, create_tap=False,
                        datapath_type="netdev"),
        {},
        # The host is not to have an address there.
        ("/qvb0a0b0c0d-11/disable_ipv6", "/qvo0a0b0c0d-11/disable_ipv6"),
    ),
    "vhost-user": (
        lambda: ovs_vif(objects.VIFVHostUser, create_port=False, create_tap=False,
                        datapath_type="netdev"),
        {},
        (),
    ),
}  # fmt: skip


def left(switch: ovs.Switch) -> dict:
    """What is there, without marks and what is of one device and no other."""
    links = {}
    own = switch.internal | {"lo"}
    for link in ip("link"):
        name = link["ifname"]
        if name in own:
            continue
        keys = ("forward_delay", "stp_state", "mcast_snooping", "ageing_time", "multi_queue")
        info = link.get("linkinfo", {})
        links[name] = {
            "kind": info.get("info_kind"),
            "mtu": link["mtu"],
            "master": link.get("master"),
            "flags": sorted(f for f in link["flags"] if f in ("UP", "PROMISC")),
            **{key: info.get("info_data", {}).get(key) for key in keys},
            **{
                key: pathlib.Path(f"/proc/sys/net/{family}/conf/{name}/{key}").read_text()
                for family, key in (
                    ("ipv6", "disable_ipv6"), ("ipv4", "arp_ignore"), ("ipv4", "arp_announce"),
                )
            },
        }  # fmt: skip
    return {**links, "switch": switch.dump()}


@pytest.mark.parametrize("kind", KINDS)
def test_both_leave_the_same(public, tmp_path, kind):
    """Rows of the switch and devices of the kernel, after plug and after unplug."""
    make, options, known = KINDS[kind]
    seen = []
    for side in ("public", "ours"):
        with host(public, tmp_path / side, **options) as switch:
            states = []
            for action in ("plug", "unplug"):
                if side == "public":
                    public.run(action, make())
                else:
                    getattr(os_vif, action)(make(), INSTANCE)
                states.append(left(switch))
            seen.append(states)
    found = [line for one, other in zip(*seen, strict=True) for line in changes(one, other)]
    assert sorted(line.partition(":")[0] for line in found) == sorted(known), found


def test_the_qos_row_of_the_kernel_s_datapath_is_the_same(public, tmp_path):
    """But that 5.3.0 gives a bridge that is there the datapath of the profile."""
    vif = ovs_vif(create_port=True, create_tap=False, datapath_type="system")
    rows = {}
    for side in ("public", "ours"):
        with host(public, tmp_path / side, default_qos_type="linux-fq_codel") as switch:
            if side == "public":
                public.run("plug", vif)
            else:
                os_vif.plug(vif, INSTANCE)
            rows[side] = switch.dump()
    assert "linux-fq_codel" in str(rows["ours"])
    (line,) = changes(rows["public"], rows["ours"])
    assert line == "/bridges/br-int/datapath_type: 'system' became 'netdev'"


@pytest.mark.parametrize("kind", KINDS)
def test_what_5_3_0_has_plugged_is_fine_and_goes(public, tmp_path, kind):
    """After an upgrade in place: nothing is changed that is not named, and nothing is left."""
    make, options, known = KINDS[kind]
    with host(public, tmp_path / "switch", **options) as switch:
        before = snapshot()
        public.run("plug", make())
        plugged = left(switch)
        assert [d for d in os_vif.check(make(), INSTANCE)
                if not d.pending and f"/{d.device}/{d.attribute}" not in known] == []  # fmt: skip
        os_vif.plug(make(), INSTANCE)
        found = [line.partition(":")[0] for line in changes(plugged, left(switch))]
        assert sorted(found) == sorted(known)
        os_vif.unplug(make(), INSTANCE)
        assert differs(without_indexes(before), indexes=False) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_ours_5_3_0_takes_away(public, tmp_path, kind):
    """After a rollback: it plugs again without a change, and leaves nothing of ours."""
    make, options, _ = KINDS[kind]
    with host(public, tmp_path / "switch", **options) as switch:
        before = snapshot()
        os_vif.plug(make(), INSTANCE)
        plugged = left(switch)
        public.run("plug", make())
        assert changes(plugged, left(switch)) == []
        public.run("unplug", make())
        assert differs(without_indexes(before), indexes=False) == []
