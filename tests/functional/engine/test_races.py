# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Others at work on the same host: libvirt, Neutron and OVN, between any two things that we do."""

from __future__ import annotations

import errno
import itertools

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine.ovs import ovs_transaction
from os_vif.engine.privileged import daemon
from os_vif.host import tun_device
from os_vif.host.netlink import rtnetlink
from os_vif.host.netlink.rtnetlink import Netlink
from os_vif.host.ovsdb import transaction
from os_vif.steps import DeleteBridge, DeleteLink, EnsureBridge, EnsureTap
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
TAP = {"create_port": True, "create_tap": True}


@pytest.fixture
def before_message(monkeypatch):
    """Has something done just before the kernel gets its message number k from this process."""

    def arm(k, action):
        left = [k]
        talk = Netlink.request

        def talks(net, *arguments, **options):
            left[0] -= 1
            if left[0] == -1:
                action()
            return talk(net, *arguments, **options)

        monkeypatch.setattr(Netlink, "request", talks)
        return lambda: (monkeypatch.undo(), left[0])[1] < 0

    return arm


@pytest.fixture
def before_commit(monkeypatch):
    """Has something done once, between the look at the switch and the transaction."""

    def arm(action):
        commit, asked = transaction.Transaction.commit, []

        def commits(changes, ovsdb):
            asked.append(1)
            if len(asked) == 1:
                action()
            return commit(changes, ovsdb)

        monkeypatch.setattr(transaction.Transaction, "commit", commits)
        return asked

    return arm


@pytest.fixture
def net(namespace):
    net = Netlink()
    yield net
    net.close()


def kernel(plan) -> dict:
    """The privileged side's answer to the kernel's part of a plan, in this process."""
    # The socket that this thread keeps may be of the namespace of an earlier test.
    vars(rtnetlink._per_thread).pop("netlink", None)
    return daemon.run([encode(step) for step in plan if isinstance(step, KernelStep)])


def gone(name) -> None:
    run(f"ip link del dev {name} 2>/dev/null || true")


def at_each_message(before_message, action, work):
    """Do the work once for each message of it, with the action before that message."""
    k = 0
    while True:
        fired = before_message(k, action)
        answer = work()
        if not fired():
            break
        yield k, answer
        k += 1
    assert k > 1


def test_libvirt_deletes_its_tap_while_its_port_is_plugged(br_int, before_message):
    """It is the hypervisor's: a device that goes is one that has not come yet."""
    vif = ovs_vif(create_port=True)
    plan = os_vif.plan(vif, INSTANCE)

    def work():
        run(f"ip link add name {vif.vif_name} type veth peer name guest")
        return kernel(plan)

    for k, answer in at_each_message(before_message, lambda: gone(vif.vif_name), work):
        assert answer["error"] is None, k
    gone(vif.vif_name)


@pytest.mark.parametrize("there", [False, True])
def test_libvirt_deletes_a_tap_while_it_is_plugged(br_int, net, before_message, there):
    """All is undone, the error says that there is no such device; the next plug makes it anew."""
    require_tun()
    vif = ovs_vif(**TAP)
    plan = os_vif.plan(vif, INSTANCE)
    before = snapshot()

    def work():
        gone(vif.vif_name)
        if there:
            run(f"ip tuntap add dev {vif.vif_name} mode tap")
        return kernel(plan)

    for k, answer in at_each_message(before_message, lambda: gone(vif.vif_name), work):
        if answer["error"] is not None:
            assert answer["error"]["errno"] == errno.ENODEV, (k, answer)
            assert differences(without_indexes(before), indexes=False) == []
        assert kernel(plan)["error"] is None
        assert not any(step.differences(net) for step in plan if isinstance(step, KernelStep))


def test_libvirt_makes_its_tap_before_ours(net, monkeypatch):
    """Between the look and the making: it is the hypervisor's then."""
    require_tun()
    persistent = tun_device.create_persistent

    def slow(name, **options):
        run(f"ip tuntap add dev {name} mode tap multi_queue")
        return persistent(name, **options)

    monkeypatch.setattr(tun_device, "create_persistent", slow)
    with net.cached() as cached:
        assert EnsureTap("tap0", address="fa:16:3e:00:00:01").apply(cached) == ()
    (link,) = ip("link", "show", "tap0")
    assert "ifalias" not in link
    assert link["linkinfo"]["info_data"]["multi_queue"]


def test_neutron_makes_the_bridge_of_a_hybrid_vif_first(br_int, before_message):
    """As LP 1617447 has it: at whichever moment, there is one bridge, and the VIF is plugged."""
    vif = ovs_vif(objects.VIFBridge)
    plan = os_vif.plan(vif, INSTANCE)

    def work():
        gone(f"qvo{vif.id[:11]}")
        gone(vif.bridge_name)
        return kernel(plan)

    def made():
        run(f"ip link add name {vif.bridge_name} type bridge 2>/dev/null || true")

    for k, answer in at_each_message(before_message, made, work):
        assert answer["error"] is None, k
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()


def test_a_bridge_that_another_makes_meanwhile_is_found(net, before_message):
    """The kernel says that it exists: it is not ours then, and no undo takes it away."""
    fired = before_message(1, lambda: run("ip link add name qbr0 type bridge"))
    assert EnsureBridge("qbr0").apply(net) == ()
    assert fired()
    assert "ifalias" not in ip("link", "show", "qbr0")[0]


@pytest.mark.parametrize(
    ("step", "creation"),
    [
        (DeleteLink("tap0a0b0c0d-11", include_unmanaged=True), "ip tuntap add dev {} mode tap"),
        (
            DeleteLink("qvb0a0b0c0d-11", include_unmanaged=True),
            "ip link add {} type veth peer qvo",
        ),
        (
            DeleteLink("dev0"),
            "ip link add {0} type vxlan id 7 dstport 4789 && ip link set {0} alias os-vif",
        ),
        (DeleteBridge("qbr0a0b0c0d-11", include_unmanaged=True), "ip link add {} type bridge"),
    ],
    ids=["tap", "veth", "vxlan", "bridge"],
)
def test_a_device_that_another_deletes_meanwhile_is_gone(net, before_message, step, creation):
    """libvirt deletes its tap at any moment of an unplug, and the unplug succeeds."""
    require_tun()

    def work():
        run(creation.format(step.name))
        return step.apply(net)

    for _, _answer in at_each_message(before_message, lambda: gone(step.name), work):
        assert step.name not in [link["ifname"] for link in ip("link")]


def test_ovn_makes_the_integration_bridge_meanwhile(switch, br_int, before_commit):
    """It is looked at again, and found."""
    switch.vsctl("del-br", "br-int")
    vif = ovs_vif(objects.VIFBridge, datapath_type="netdev")
    asked = before_commit(lambda: switch.vsctl(
        "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev",
        "external_ids:ovn=1"))  # fmt: skip
    os_vif.plug(vif, INSTANCE)
    assert len(asked) == 2
    assert switch.vsctl("get", "Bridge", "br-int", "external_ids") == '{ovn="1"}'
    assert switch.vsctl("list-ports", "br-int") == f"qvo{vif.id[:11]}"


def test_libvirt_adds_the_port_meanwhile(br_int, before_commit):
    """Its row is taken, with what libvirt has written there."""
    vif = ovs_vif(create_port=True)
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    asked = before_commit(lambda: br_int.vsctl(
        "add-port", "br-int", vif.vif_name, "--", "set", "Interface", vif.vif_name,
        "external_ids:vm-id=x"))  # fmt: skip
    os_vif.plug(vif, INSTANCE)
    assert len(asked) == 2
    ids = br_int.vsctl("get", "Interface", vif.vif_name, "external_ids")
    assert "vm-id=x" in ids
    assert f'iface-id="{vif.id}"' in ids
    assert os_vif.check(vif, INSTANCE) == ()


def test_libvirt_takes_its_port_out_and_in_while_it_is_plugged(br_int, before_commit):
    """As it does when a guest starts: the row of before has gone when it is to be changed."""
    vif = ovs_vif(create_port=True)
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    br_int.vsctl("add-port", "br-int", vif.vif_name)
    asked = before_commit(lambda: br_int.vsctl(
        "del-port", vif.vif_name, "--", "add-port", "br-int", vif.vif_name))  # fmt: skip
    os_vif.plug(vif, INSTANCE)
    assert len(asked) == 2
    assert os_vif.check(vif, INSTANCE) == ()


def trunk(switch) -> None:
    switch.vsctl("add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev")


@pytest.mark.parametrize("plug", [True, False])
def test_neutron_deletes_the_bridge_of_a_trunk_meanwhile(br_int, before_commit, plug):
    """A plug makes it again, with the port in it; for an unplug it is gone (LP 1869244)."""
    vif = ovs_vif(bridge="tbr-1", create_port=True, datapath_type="netdev")
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    trunk(br_int)
    if not plug:
        os_vif.plug(vif, INSTANCE)
    asked = before_commit(lambda: br_int.vsctl("del-br", "tbr-1"))
    (os_vif.plug if plug else os_vif.unplug)(vif, INSTANCE)
    assert asked
    if plug:
        assert br_int.vsctl("list-ports", "tbr-1") == vif.vif_name
        assert os_vif.check(vif, INSTANCE) == ()
    else:
        assert br_int.vsctl("list-br") == "br-int"
        assert br_int.vsctl("list", "QoS") == ""


def test_the_bridge_of_a_trunk_stays_while_another_joins_it(br_int, before_commit):
    """Between the look and the deletion: another's port is in it, and is not taken away."""
    vif = ovs_vif(bridge="tbr-1", create_port=True, datapath_type="netdev")
    trunk(br_int)
    os_vif.plug(vif, INSTANCE)
    before_commit(lambda: br_int.vsctl("add-port", "tbr-1", "other"))
    os_vif.unplug(vif, INSTANCE)
    assert br_int.vsctl("list-ports", "tbr-1") == "other"


def test_a_bridge_that_never_rests_is_an_error_with_its_reason(br_int, monkeypatch):
    """It is looked at again, but not for ever; then nothing has changed."""
    vif = ovs_vif(bridge="tbr-1", create_port=True, datapath_type="netdev")
    trunk(br_int)
    os_vif.plug(vif, INSTANCE)
    commit, n = transaction.Transaction.commit, itertools.count()

    def commits(changes, ovsdb):
        br_int.vsctl("--no-wait", "add-port", "tbr-1", f"p{next(n)}", "--", "set", "Interface",
                     f"p{next(n) - 1}", "type=patch")  # fmt: skip
        return commit(changes, ovsdb)

    monkeypatch.setattr(transaction.Transaction, "commit", commits)
    monkeypatch.setattr(ovs_transaction, "_ATTEMPTS", 3)
    with pytest.raises(exception.UnplugException, match="DeleteOvsBridge failed on tbr-1"):
        os_vif.unplug(vif, INSTANCE)
    assert n.__next__() == 6
    assert vif.vif_name in br_int.vsctl("list-ports", "tbr-1")


@pytest.mark.usefixtures("br_int")
def test_what_is_no_race_is_an_error():
    """A device of another kind has the name."""
    vif = ovs_vif(**TAP)
    run(f"ip link add name {vif.vif_name} type bridge")
    with pytest.raises(exception.PlugException, match="is a device of kind bridge, not a tap"):
        os_vif.plug(vif, INSTANCE)
