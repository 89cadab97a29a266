# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif host-info`` as its page shows it; tests/vm/test_host_info.py has a real card."""

from __future__ import annotations

import subprocess
import sys

from os_vif.testing.fake_card import Sysfs
from os_vif.testing.private_namespaces import run
from testbed import snippets
from tests.support.documents.pages import SOURCE

PORT = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"


def test_a_reader_can_follow_the_page_on_modes(switch, tmp_path):
    """Of a card made of files, for whose devices others of the kernel stand."""
    switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
    switch.appctl("ovsdb-server", "ovsdb-server/add-remote", "ptcp:6640:127.0.0.1")
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.physical("0000:03:00.0", "enp3s0f0", ["0000:03:00.1", "0000:03:00.2"])
    sysfs.port("enp3s0f0", "0123abcd", "p0")
    sysfs.below("0000:03:00.1", "enp3s0f0v0")
    for number in range(2):
        sysfs.port(f"eth{number}", "0123abcd", f"pf0vf{number}")
    run("ip link add name enp3s0f0 type veth peer name enp3s0f0v0")
    run("ip link add name eth0 type veth peer name eth1")
    iface_id = f"external_ids:iface-id={PORT}"
    switch.vsctl("add-port", "br-int", "eth1", "--", "set", "Interface", "eth1", iface_id)
    bound = f'mount --bind {tmp_path}/sys /sys && exec "$@"'
    follow = (
        sys.executable,
        "-W",
        "ignore",
        "-P",
        snippets.__file__,
        str(SOURCE / "operators/sriov/modes.rst"),
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", bound, "sh", *follow],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_host_without_such_cards_says_so(namespace, os_vif_command):
    """An empty table alone would leave one to wonder."""
    done = subprocess.run(
        [os_vif_command, "host-info"], capture_output=True, text=True, check=True
    )
    assert done.stderr == "no network card of this host has virtual functions\n"
