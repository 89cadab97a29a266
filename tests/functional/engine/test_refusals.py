# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the kernel refuses: a plug is rolled back, an unplug goes forward, the right step is blamed."""

from __future__ import annotations

import dataclasses
import errno
import logging
import pathlib
import re
from collections.abc import Callable

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.engine.privileged import daemon
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb.notation import ref
from os_vif.host.ovsdb.snapshot import Snapshot
from os_vif.host.ovsdb.transaction import OwnedTransaction
from os_vif.steps import (
    DeleteAddress,
    DeleteBridge,
    DeleteLink,
    EnsureAddress,
    EnsureBridge,
    EnsureTap,
    EnsureVeth,
    SetLink,
)
from os_vif.steps import plan as plans
from os_vif.steps.link import move_addresses
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.plan import Plan
from os_vif.steps.wire import STEPS, encode
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.daemons import DAEMON
from tests.support.ovs.bare_step import BareOvsStep

pytestmark = pytest.mark.usefixtures("daemon")

PAIR = EnsureVeth("qvb", "qvo")
#: The kernel has a loopback device that it does not delete, whatever its name.
_UNDELETABLE = (
    "ip link set dev lo down\nip link set dev lo name {0}\nip link set dev {0} alias os-vif"
)


def links() -> set[str]:
    return {link["ifname"] for link in ip("link")}


@pytest.fixture
def at(switch):
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    return plans.OvsdbTarget(switch.connection, 20)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_refused_deletion_is_blamed_on_its_device_and_step(place):
    """Deletions are carried out together, at the end of the group; all are there as before."""
    run(_UNDELETABLE.format("stuck"))
    runner.run(Plan(EnsureBridge("brq-x"), EnsureTap("tapx")), DAEMON)
    before = snapshot()
    steps = [DeleteLink("tapx"), DeleteBridge("brq-x")]
    steps.insert(place, DeleteLink("stuck"))
    with pytest.raises(exception.StepFailed) as info:
        runner.run(Plan(*steps), DAEMON)
    found = {key: info.value.kwargs[key] for key in ("step", "device", "errno")}
    assert found == {"step": "DeleteLink", "device": "stuck", "errno": errno.EOPNOTSUPP}
    assert snapshot() == before


@pytest.mark.usefixtures("daemon")
def test_a_refused_bridge_is_not_blamed_on_the_link_after_it(monkeypatch):
    """The class is that of the step whose device was refused."""
    run("ip link add brq-x type bridge\nip link set dev brq-x alias os-vif")
    runner.run(Plan(EnsureTap("tapx")), DAEMON)

    def refused(net, going):
        error = OSError(errno.EBUSY, "Device or resource busy")
        error.filename = "brq-x"
        raise error

    monkeypatch.setattr("os_vif.host.netlink.batch_delete.delete", refused)
    answer = daemon.run([encode(DeleteBridge("brq-x")), encode(DeleteLink("tapx"))])
    assert (answer["error"]["step"], answer["error"]["device"]) == ("DeleteBridge", "brq-x")


@pytest.mark.usefixtures("daemon")
def test_a_refusal_that_names_no_device_names_all_steps(monkeypatch):
    """One that is not known is not guessed."""
    runner.run(Plan(EnsureBridge("brq-x"), EnsureTap("tapx")), DAEMON)

    def refused(net, going):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os_vif.host.netlink.batch_delete.delete", refused)
    answer = daemon.run([encode(DeleteBridge("brq-x")), encode(DeleteLink("tapx"))])
    blamed = (answer["error"]["step"], answer["error"]["device"])
    assert blamed == ("DeleteBridge, DeleteLink", "brq-x, tapx")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unplug_removes_all_but_what_the_kernel_refuses(switch, at, place):
    """The port is out of the switch and stays out, the other devices are gone; so says the error."""
    run(_UNDELETABLE.format("stuck"))
    before = snapshot()
    runner.run(
        Plan(EnsureBridge("qbr"), PAIR, EnsureOvsPort("br", "qvo", qos="linux-noop"), switch=at),
        DAEMON,
    )
    steps = [DeleteLink("qvo"), DeleteBridge("qbr")]
    steps.insert(place, DeleteLink("stuck"))
    plan = Plan(DeleteOvsPort("qvo"), *steps, switch=at, forward=True)
    with pytest.raises(exception.StepFailed, match="DeleteLink failed on stuck") as info:
        runner.run(plan, DAEMON)
    assert info.value.kwargs["errno"] == errno.EOPNOTSUPP
    assert "All that could be done of the rest was done" in str(info.value)
    assert "still to be done by hand:\n  ip link del dev stuck" in str(info.value)
    assert "Undone" not in str(info.value)
    assert differences(before) == []


def test_an_unplug_that_is_not_permitted_one_step_does_the_others(switch, at):
    """What the daemon refuses is told like what the kernel refuses."""
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    plan = Plan(
        DeleteOvsPort("qvo"), SetLink("lo", up=False), DeleteLink("qvo"), switch=at, forward=True
    )
    run("ip link set dev lo up")
    with pytest.raises(exception.StepFailed, match="SetLink failed on lo") as info:
        runner.run(plan, DAEMON)
    assert info.value.kwargs["errno"] == errno.EPERM
    assert "qvo" not in links()
    assert switch.vsctl("list-ports", "br") == ""


def test_each_refusal_is_listed_with_its_reason():
    run(_UNDELETABLE.format("stuck"))
    plan = Plan(
        SetLink("missing", up=True), DeleteLink("stuck"), SetLink("gone", up=True), forward=True
    )
    with pytest.raises(exception.StepFailed, match="SetLink failed on missing") as info:
        runner.run(plan, DAEMON)
    left = str(info.value).partition("by hand:\n")[2].splitlines()
    assert [line.partition("  # ")[0].strip() for line in left] == [
        "ip link set dev missing up", "ip link del dev stuck", "ip link set dev gone up",
    ]  # fmt: skip
    assert all("  # " in line for line in left)


def test_a_move_of_addresses_in_an_unplug_is_whole_or_not_at_all():
    """An address is not taken from the uplink if the bridge cannot have it."""
    run(
        "ip link add eth7 type dummy\nip address add 192.0.2.7/24 dev eth7\n"
        "ip link add brq-x type bridge\nip link set dev eth7 master brq-x\n"
        "ip address add 192.0.2.7/24 dev brq-x"
    )
    before = snapshot()
    plan = Plan(
        # No uplink has it.
        EnsureAddress("brq-x", "192.0.2.9/24"),
        DeleteAddress("eth7", "192.0.2.7/24"),
        forward=True,
    )
    with pytest.raises(exception.StepFailed, match="EnsureAddress failed on brq-x") as info:
        runner.run(plan, DAEMON)
    assert "ip address del 192.0.2.7/24 dev eth7" in str(info.value)
    assert differences(before) == []


def test_every_step_of_a_move_is_one_of_those_that_are_done_together():
    """Addresses, routes, neighbours, and what goes with them, of both families."""
    run(
        "ip link add eth7 type veth peer name far\nip link set far up\nip link set eth7 up\n"
        "ip address add 192.0.2.7/24 dev eth7\nip address add 2001:db8::7/64 dev eth7\n"
        "ip route add default via 192.0.2.1 dev eth7\nip route add 2001:db8:1::/64 dev eth7\n"
        "ip neighbour add 192.0.2.3 lladdr 02:00:00:00:00:03 dev eth7 nud permanent\n"
        "ip link add brq-x type bridge"
    )
    with rtnetlink.opened() as net:
        move = move_addresses.move(net, net.require("eth7"), "brq-x")
    steps = [*move.make, *move.switch]
    assert {"EnsureAddress", "EnsureNeighbour", "EnsureRoute", "DeleteAddress"} <= {
        type(step).__name__ for step in steps
    }
    assert all(isinstance(step, daemon.MOVES) for step in steps)
    source = pathlib.Path(move_addresses.__file__).read_text()
    made = {name for name in STEPS if re.search(rf"\b{name}\(", source)}
    assert made <= {step.__name__ for step in daemon.MOVES}


def test_an_unplug_whose_devices_stay_locked_keeps_the_deletion_of_the_port(
    switch, at, monkeypatch
):
    """The whole of the kernel's part fails: the switch's part is kept, and the rest is told."""
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    plan = Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=at, forward=True)
    from vif_plug_linux_bridge import privsep

    error = {"step": "Locking", "device": "qvo", "errno": errno.EBUSY, "reason": "busy",
             "undone": 0, "not_undone": [], "not_done": []}  # fmt: skip
    monkeypatch.setattr(
        privsep, "run", lambda messages: {"undo": [], "error": error, "applied": [], "refused": []}
    )
    with pytest.raises(exception.StepFailed, match="Locking failed on qvo: busy") as info:
        runner.run(plan, DAEMON)
    assert "still to be done by hand:\n  ip link del dev qvo" in str(info.value)
    assert switch.vsctl("list-ports", "br") == ""
    monkeypatch.undo()
    runner.run(plan, DAEMON)
    assert "qvo" not in links()


def test_an_unplug_whose_daemon_dies_and_does_not_start_again_keeps_the_deletion(
    switch, at, monkeypatch
):
    """It was there when the plan began; the error lists what remains of the VIF."""
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    plan = Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=at, forward=True)
    from os_vif.engine.failure import NotStartedError
    from vif_plug_linux_bridge import privsep

    def not_started(messages):
        raise NotStartedError("sudo: a password is required")

    monkeypatch.setattr(privsep, "run", not_started)
    with pytest.raises(exception.StepFailed, match="a password is required") as info:
        runner.run(plan, DAEMON)
    assert "Nothing was done" not in str(info.value)
    assert "still to be done by hand:\n  ip link del dev qvo" in str(info.value)
    assert switch.vsctl("list-ports", "br") == ""
    monkeypatch.undo()
    runner.run(plan, DAEMON)
    assert "qvo" not in links()


def test_unplug_raises_one_error_and_the_next_one_has_nothing_left(vif, instance, monkeypatch):
    """As nova sees it: UnplugException; what remained is taken by the next unplug."""
    os_vif.plug(vif, instance)
    carry_out = runner.run
    stuck = SetLink("missing", up=True)
    monkeypatch.setattr(
        runner,
        "run",
        lambda plan, module, **more: carry_out(Plan(stuck, *plan, forward=True), module, **more),
    )
    with pytest.raises(exception.UnplugException, match="SetLink failed on missing"):
        os_vif.unplug(vif, instance)
    monkeypatch.undo()
    assert links() == {"lo"}
    os_vif.unplug(vif, instance)


def test_a_port_is_released_though_vswitchd_is_down(switch, at, caplog):
    """The deletion stays in the database, the device is put down next, and a warning says so."""
    runner.run(Plan(PAIR, SetLink("qvo", up=True), EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    switch.kill("ovs-vswitchd")
    late = dataclasses.replace(at, timeout=1)
    plan = Plan(
        DeleteOvsPort("qvo", wait=True), SetLink("qvo", up=False), switch=late, forward=True
    )
    with caplog.at_level(logging.WARNING):
        runner.run(plan, DAEMON)
    assert "qvo" not in switch.vsctl("--no-wait", "list-ports", "br")
    (link,) = ip("link", "show", "qvo")
    assert "UP" not in link["flags"]
    assert "the deletion of qvo; ovs-vswitchd has not applied it yet" in caplog.text
    switch.start_daemon("ovs-vswitchd", switch.connection)
    runner.run(plan, DAEMON)


@dataclasses.dataclass(frozen=True)
class Does(BareOvsStep):
    """A step that adds to a transaction what the server refuses at its end."""

    name: str
    operation: Callable[[Snapshot, OwnedTransaction], object] = dataclasses.field(compare=False)

    @property
    def device(self):
        return self.name

    def add_operations(self, look, changes):
        self.operation(look, changes)
        return ()


def delete_qos(look, changes):
    """A row that another port refers to."""
    (row,) = look.rows(("QoS", "type", "==", "linux-htb", ()))
    changes.delete("QoS", row)


def refer_to_nothing(look, changes):
    port = look.full_row("Port", "kept")
    nothing = ["uuid", "00000000-0000-4000-8000-000000000000"]
    changes.mutate("Port", ref(port), ["qos", "insert", ["set", [nothing]]])


def share_a_name(look, changes):
    interface = changes.insert("Interface", name="kept")
    port = changes.insert("Port", name="other", interfaces=interface)
    changes.mutate("Bridge", ref(look.bridge("br")), ["ports", "insert", ["set", [port]]])


@pytest.mark.short_form(4)
@pytest.mark.parametrize("refused", [delete_qos, refer_to_nothing, share_a_name])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_what_the_database_refuses_as_a_whole_is_blamed_on_its_step(switch, at, refused, place):
    """All steps change one bridge; the reason names rows, and the step is the one that has them."""
    run("ip link add name a type veth peer name b")
    switch.vsctl("add-port", "br", "kept", "--", "set", "Interface", "kept", "type=internal", "--",
                 "--id=@q", "create", "QoS", "type=linux-htb", "--", "set", "Port", "kept", "qos=@q",
                 "--", "add-port", "br", "old", "--", "set", "Interface", "old", "type=internal")  # fmt: skip
    before = switch.dump()
    steps = [DeleteOvsPort("old"), EnsureOvsPort("br", "a"), EnsureOvsPort("br", "b")]
    steps.insert(place, Does("culprit", refused))
    with pytest.raises(exception.StepFailed) as info:
        runner.run(Plan(*steps, switch=at), DAEMON)
    assert (info.value.kwargs["step"], info.value.kwargs["device"]) == ("Does", "culprit")
    assert switch.dump() == before


@pytest.mark.parametrize("culprit", ["bond0", "two"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_name_that_is_in_a_bond_is_blamed_on_the_step_that_wants_it(switch, at, culprit, place):
    """A bridge or a port whose Interface is another's; others of the plan are well."""
    run("ip link add name a type veth peer name b")
    switch.vsctl("--no-wait", "add-bond", "br", "bond", culprit, "other")
    wants = (
        EnsureOvsBridge(culprit, "netdev") if culprit == "two" else EnsureOvsPort("br", culprit)
    )
    steps = [EnsureOvsPort("br", "a"), EnsureOvsPort("br", "b")]
    steps.insert(place, wants)
    with pytest.raises(exception.StepFailed) as info:
        runner.run(Plan(*steps, switch=at), DAEMON)
    assert (info.value.kwargs["step"], info.value.kwargs["device"]) == (
        type(wants).__name__, culprit,
    )  # fmt: skip


@pytest.mark.parametrize("wait", [True, False])
def test_a_port_is_released_while_vswitchd_stands_still(switch, at, wait):
    """With wait_for_vswitchd off too: the release is waited for, and goes forward at its deadline."""
    runner.run(Plan(PAIR, SetLink("qvo", up=True), EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    late = dataclasses.replace(at, timeout=1, wait=wait)
    plan = Plan(
        DeleteOvsPort("qvo", wait=True), SetLink("qvo", up=False), switch=late, forward=True
    )
    with switch.standing_still("ovs-vswitchd"):
        runner.run(plan, DAEMON)
        assert "qvo" not in switch.vsctl("--no-wait", "list-ports", "br")
        assert "UP" not in ip("link", "show", "qvo")[0]["flags"]
