# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Each message of doc/source/operators/ovs/troubleshooting.rst is one that really comes."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import re
import signal

import os_vif
from os_vif import objects
from os_vif.engine import runner
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.sriov import functions
from os_vif.plugins.ovs import representor
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import EnsureOvsPort
from os_vif.steps.plan import OvsdbTarget as At
from os_vif.steps.plan import Plan
from os_vif.testing.fake_card import Sysfs
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.daemons import DAEMON
from tests.support.documents.pages import PAGES, error_message
from tests.support.requirements import require_tun

PAGE = "operators/ovs/troubleshooting"
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


def quoted(title: str) -> list[str]:
    """The messages in the table of a section."""
    parts = re.split(r"^(\w.*)\n=+$", PAGES[PAGE], flags=re.MULTILINE)
    section = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    return re.findall(r"^   \* - ``(.+)``$", section, re.MULTILINE)


def plug(vif: objects.VIFBase) -> str:
    return error_message(lambda: os_vif.plug(vif, INSTANCE))


@contextlib.contextmanager
def stopped(switch, daemon: str):
    """It stands still."""
    os.kill(switch.pid(daemon), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(switch.pid(daemon), signal.SIGCONT)


def compare(title: str, seen: list[str]) -> None:
    page = quoted(title)
    assert len(page) == len(seen)
    assert [text for text, error in zip(page, seen, strict=True) if text not in error] == []


def as_nobody(switch) -> str:
    """What a program hears that may not open the socket."""
    if pathlib.Path("/proc/self/uid_map").read_text().split()[2:] == ["1"]:
        return "db.sock: Permission denied"  # root is the only user there is
    os.seteuid(65534)
    try:
        with Ovsdb(switch.connection, 1) as ovsdb:
            return error_message(lambda: ovsdb.select("Open_vSwitch", []))
    finally:
        os.seteuid(0)


def test_a_switch_that_is_not_reached(br_int, ovs_options, tmp_path):
    """Nothing was done."""
    seen = []
    for connection in ("tcp:127.0.0.1:1", "unix:/no/such"):
        ovs_options(ovsdb_connection=connection)
        seen.append(plug(ovs_vif()))
        assert seen[-1].endswith("Nothing was done")
    tmp_path.chmod(0o700)
    seen.append(as_nobody(br_int))
    ovs_options(ovsdb_connection=br_int.connection, ovs_vsctl_timeout=1)
    with stopped(br_int, "ovsdb-server"):
        seen.append(plug(ovs_vif()))
    ovs_options(ovsdb_connection="/run/openvswitch/db.sock")
    seen.append(plug(ovs_vif()))
    compare("The switch is not reached", seen)


def test_a_switch_that_does_not_do_it(br_int, ovs_options):
    """Each way in which it may not."""
    require_tun()
    ovs_options(ovs_vsctl_timeout=1)
    with stopped(br_int, "ovs-vswitchd"):
        seen = [plug(ovs_vif(objects.VIFBridge))]
    at = At(br_int.connection, 1)

    class Stops(EnsureOvsBridge):
        """The server stands still when it has been looked at."""

        def add_operations(self, look, changes):
            done = super().add_operations(look, changes)
            os.kill(br_int.pid("ovsdb-server"), signal.SIGSTOP)
            return done

    try:
        seen.append(error_message(lambda: runner.run(Plan(Stops("br-x"), switch=at), DAEMON)))
    finally:
        os.kill(br_int.pid("ovsdb-server"), signal.SIGCONT)
    closed = Plan(EnsureOvsBridge("br-new", "nonsense"), switch=At(br_int.connection, 10))
    seen.append(error_message(lambda: runner.run(closed, DAEMON)))
    gone = Plan(EnsureOvsPort("br-int", "tapx", must_open=True), switch=At(br_int.connection, 10))
    seen.append(error_message(lambda: runner.run(gone, DAEMON)))
    ovs_options(ovs_vsctl_timeout=10)
    name = ovs_vif().vif_name
    br_int.vsctl("add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev",
                 "--", "add-port", "br-other", name)  # fmt: skip
    seen.append(plug(ovs_vif(create_port=True)))
    br_int.vsctl("del-port", name, "--", "add-port", "br-int", name,
                 "--", "set", "Interface", name, "type=vxlan", "options:remote_ip=192.0.2.1")  # fmt: skip
    seen.append(plug(ovs_vif(create_port=True)))
    br_int.vsctl("del-port", name, "--", "add-bond", "br-int", "bond0", name, "two")
    seen.append(plug(ovs_vif(create_port=True)))
    br_int.vsctl("del-port", "bond0")
    run("ip link add name qvo0a0b0c0d-11 type bridge")
    seen.append(plug(ovs_vif(objects.VIFBridge)))
    run(f"ip link add name {name} type veth peer name other")
    seen.append(plug(ovs_vif(create_port=True, create_tap=True)))
    compare("The switch does not apply a change", seen)


def test_a_vif_that_cannot_be_plugged_as_it_is(br_int, tmp_path, monkeypatch):
    """By the field, or by what sysfs says of the card."""
    bare, nameless = ovs_vif(create_port=True), ovs_vif(create_port=True)
    del bare.port_profile
    del nameless.port_profile.interface_id
    seen = [plug(bare), plug(nameless)]
    lost, vf = ovs_vif(objects.VIFHostDevice), ovs_vif(objects.VIFHostDevice)
    vf.dev_address = "0000:03:01.1"
    monkeypatch.setattr(functions, "SYS", tmp_path / "sys")
    monkeypatch.setenv("OS_VIF_TEST_SYSFS", str(tmp_path / "sys"))
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:01.0", vf.dev_address])
    lost.dev_address = "0000:03:09.0"
    seen += [plug(lost), plug(vf)]
    run("ip link add name eth0 type veth peer name far")
    run("ip link add name eth4 type veth peer name eth9")
    sysfs.port("eth0", "abcd", "p0")
    monkeypatch.setattr(representor, "REPRESENTOR_TIMEOUT", 0.0)
    seen.append(plug(vf))
    run("ip link add name rep type veth peer name other")
    sysfs.port("rep", "abcd", "pf0vf1")
    vf.port_profile.datapath_offload = objects.DatapathOffloadRepresentor(representor_name="far")
    seen.append(plug(vf))
    sysfs.port("rep", "", "")
    run("ip link add name eth1 type veth peer name another")
    # A second physical function, and names that do not say whose they are.
    sysfs.physical("0000:03:00.1", "eth1", ["0000:03:02.0", "0000:03:02.1"])
    for name, port in (("eth1", "p1"), ("eth4", "1"), ("eth9", "1")):
        sysfs.port(name, "abcd", port)
    seen.append(plug(vf))
    compare("The VIF is invalid for this host", seen)


def test_a_warning_of_the_plugin(br_int, ovs_options, caplog):
    """In the log; the VIF is plugged."""
    with caplog.at_level(logging.WARNING):
        os_vif.plug(ovs_vif(objects.VIFBridge, create_tap=True), INSTANCE)
    compare("Warnings of the plugin", [caplog.text])


def test_what_is_seen_without_a_message(br_int, ovs_options):
    """The signs that the page tells of a port without network."""
    page = PAGES[PAGE]
    ovs_options(isolate_vif=True)
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, INSTANCE)
    assert str(os_vif.check(vif, INSTANCE)[0]).endswith("(waits for the hypervisor)")
    tag = br_int.vsctl("get", "Port", vif.vif_name, "tag")
    os_vif.plug(ovs_vif(objects.VIFVHostUser), INSTANCE)
    assert f"``tag`` is {tag}" in page
    said = "Address family not supported by protocol"
    assert f"``error`` says ``{said}``" in page
    assert said in br_int.vsctl("get", "Interface", "vhu0a0b0c0d-11", "error")
