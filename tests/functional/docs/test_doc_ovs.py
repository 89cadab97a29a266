# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What doc/ says of Open vSwitch is so: each page of a way of plugging is followed on a switch."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import changes
from os_vif.testing.private_namespaces import run
from testbed import snippets
from tests.support.documents.pages import PAGES, SOURCE
from tests.support.documents.pages import run as run_program
from tests.support.requirements import require_tun

FOLLOWED = sorted(
    page
    for page, text in PAGES.items()
    if page.startswith("operators/ovs/") and "\n   $ os-vif" in text
)


@pytest.fixture
def host(switch):
    """A switch where the options and the tools look by default, and what Neutron or OVN has made."""
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
    switch.appctl("ovsdb-server", "ovsdb-server/add-remote", "ptcp:6640:127.0.0.1")
    return switch


def card(root: pathlib.Path) -> None:
    """A card with a virtual function, for whose representor a veth device stands; and a plain one."""
    sysfs = Sysfs(root)
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:00.1", "0000:03:00.2"])
    sysfs.port("eth0", "0123abcd", "p0")
    sysfs.port("eth1", "0123abcd", "pf0vf1")
    sysfs.physical("0000:04:00.0", "eth2", ["0000:04:00.1"])
    run("ip link add name eth1 type veth peer name far")


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_reader_can_follow_the_page_of_a_way_of_plugging(host, tmp_path, page):
    """Plans, checks, messages and rows are as the page shows them; in the end nothing is left."""
    if '"create_tap"' in PAGES[page]:
        require_tun()
    prefix: tuple[object, ...] = ()
    if page == "operators/ovs/representor":
        card(tmp_path / "sys")
        bound = f'mount --bind {tmp_path}/sys /sys && exec "$@"'
        prefix = ("unshare", "--mount", "sh", "-c", bound, "sh")
    before = host.dump()
    directory = tmp_path / "reader"
    directory.mkdir()
    follow = (sys.executable, "-W", "ignore", "-P", snippets.__file__)
    environment = os.environ | {"OVS_RUNDIR": str(tmp_path)}
    done = run_program(
        *prefix, *follow, "--inside", SOURCE / f"{page}.rst", cwd=directory, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert changes(before, host.dump()) == []
