# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for each step of Open vSwitch, and for plans that mix them with those of the kernel."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import threading
import time

import pytest

from os_vif import exception
from os_vif.engine import runner
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.snapshot import Snapshot
from os_vif.steps import DeleteLink, EnsureVeth, SetLink
from os_vif.steps import plan as plans
from os_vif.steps.ovs import bridge, port, restore
from os_vif.steps.ovs.bridge import DeleteOvsBridge, EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.ovs.step import OvsStep
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import changes, differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.daemons import DAEMON
from tests.support.ovs.vifs import apply_steps

pytestmark = pytest.mark.usefixtures("daemon")

_BRIDGE = "add-br br -- set Bridge br datapath_type=netdev"
_PORT = f"{_BRIDGE} -- add-port br qvo"
_QOS = (
    f"{_PORT} -- --id=@q create QoS type=linux-htb "
    "external_ids:id=ecd3e457-53ee-5e19-a444-55c576be402a -- set Port qvo qos=@q tag=7 "
    "-- set Interface qvo external_ids:iface-id=x ingress_policing_rate=1000 options:a=b"
)
#: A bridge with all that a bridge can refer to, and with what refers to it.
_FULL = (
    "add-br tbr-1 -- add-port tbr-1 p -- set Interface p type=patch options:peer=q "
    "-- --id=@p get Port p -- --id=@l get Port tbr-1 -- --id=@m create Mirror name=m "
    "select_src_port=@p select_dst_port=@p,@l output_port=@l select_vlan=5 "
    '-- --id=@c create Controller target="tcp:127.0.0.1:6653" connection_mode=out-of-band '
    '-- --id=@d create Controller target="tcp:127.0.0.1:6654" '
    '-- --id=@s create sFlow targets="10.0.0.1:6343" sampling=64 '
    '-- --id=@n create NetFlow targets="10.0.0.1:9995" '
    '-- --id=@i create IPFIX targets="10.0.0.1:4739" '
    '-- --id=@j create IPFIX targets="10.0.0.2:4739" '
    "-- --id=@t create Flow_Table name=first flow_limit=9 "
    "-- --id=@u create Flow_Table flow_limit=7 -- --id=@a create AutoAttach system_name=x "
    "-- set Bridge tbr-1 datapath_type=netdev mirrors=@m controller=@c,@d sflow=@s netflow=@n "
    "ipfix=@i flow_tables:0=@t flow_tables:1=@t flow_tables:2=@u auto_attach=@a fail_mode=secure "
    'protocols=OpenFlow13,OpenFlow15 other_config:hwaddr="02:00:00:00:00:07" external_ids:a=b '
    "rstp_enable=true flood_vlans=7,8 -- set Port tbr-1 external_ids:c=d tag=9 "
    "-- set Interface tbr-1 external_ids:e=f mtu_request=1400 "
    "-- --id=@b get Bridge tbr-1 -- create Flow_Sample_Collector_Set id=1 bridge=@b ipfix=@j "
    "-- create Flow_Sample_Collector_Set id=2 bridge=@b"
)
_MIRRORED = (
    f"{_PORT} -- --id=@qvo get Port qvo -- --id=@br get Port br -- --id=@m create Mirror name=m1 "
    "select_src_port=@qvo select_dst_port=@br,@qvo -- --id=@o create Mirror name=m2 "
    "select_src_port=@br output_port=@qvo -- --id=@n create Mirror output_port=@br "
    "-- set Bridge br mirrors=@m,@o,@n"
)
#: A QoS row and queues that are not os-vif's.
_FOREIGN_QOS = (
    f"{_PORT} -- --id=@k create Queue other_config:max-rate=7 -- --id=@q create QoS type=linux-htb "
    "queues:0=@k -- set Port qvo qos=@q"
)
_QUEUES = _QOS.replace(
    "--id=@q create QoS", "--id=@k create Queue dscp=9 -- --id=@q create QoS queues:3=@k"
)
_PAIR = "ip link add name qvb type veth peer name qvo"


@dataclasses.dataclass(frozen=True)
class Sample:
    step: OvsStep
    #: For ovs-vsctl.
    setup: str = ""
    #: Rows that no port has any more are no loss: the undo leaves them away.
    undone: bool = True
    #: Whether one command of ovs-vsctl(8) does the same.
    typed: bool = True

    def __str__(self) -> str:
        values = [str(value) for value in dataclasses.astuple(self.step) if value]
        return re.sub(r"[^\w-]+", "-", "-".join([type(self.step).__name__, *values]))


SAMPLES = [
    Sample(EnsureOvsBridge("br", "netdev")),
    Sample(EnsureOvsPort("br", "qvo", must_open=True), _BRIDGE),
    Sample(
        EnsureOvsPort("br", "qvo", external_ids=(("iface-id", "i"), ("attached-mac", "02:00:00:00:00:01"),
                ("vm-uuid", "")), isolated=True, qos="linux-noop"),
        _BRIDGE,
    ),
    Sample(EnsureOvsPort("br", "vhu1", "dpdkvhostuserclient", options=(("vhost-server-path", "/a b"),),
                   mtu_request=1450), _BRIDGE),
    Sample(EnsureOvsPort("br", "qvo", external_ids=(("iface-id", "i"), ("iface-status", "active"))),
           f"{_PORT} -- set Interface qvo external_ids:iface-id=old external_ids:ovn-installed=true"),
    Sample(EnsureOvsPort("br", "p", "patch", options=(("peer", "q"),)), f"{_BRIDGE} -- add-port br p"),
    Sample(EnsureOvsPort("br", "p", "patch", options=(("peer", "q"),)), f"{_BRIDGE} -- add-port br p "
           "-- set Interface p type=vxlan options:remote_ip=192.0.2.1 options:key=7"),
    Sample(DeleteOvsPort("qvo"), _PORT),
    Sample(DeleteOvsPort("qvo", wait=True), _PORT),
    Sample(DeleteOvsPort("qvo"), _QOS),
    Sample(DeleteOvsPort("qvo"), "--id=@q create QoS type=linux-htb "
           "external_ids:id=ecd3e457-53ee-5e19-a444-55c576be402a", undone=False),
    Sample(DeleteOvsBridge("pb1"), "add-br pb1 -- set Bridge pb1 datapath_type=netdev "
           "external_ids:a=b -- add-port pb1 p -- set Interface p type=patch options:peer=q"),
    Sample(DeleteOvsBridge("tbr-1"), "add-br tbr-1 -- set Bridge tbr-1 datapath_type=netdev"),
    # "ovs-vsctl del-br" leaves a bridge in the database that a sample collector set refers to.
    Sample(DeleteOvsBridge("tbr-1"), _FULL, typed=False),
    Sample(DeleteOvsPort("qvo"), _MIRRORED),
    Sample(DeleteOvsPort("qvo"), _FOREIGN_QOS),
    Sample(DeleteOvsPort("qvo"), _QUEUES),
]  # fmt: skip
PARAMS = [pytest.param(sample, id=f"{n}-{sample}") for n, sample in enumerate(SAMPLES)]
TYPED = [param for param in PARAMS if param.values[0].typed]
UNDONE = [param for param in PARAMS if param.values[0].undone]


@pytest.fixture
def at(switch):
    return plans.OvsdbTarget(switch.connection, 10)


@pytest.fixture
def sample(request, switch) -> Sample:
    run(_PAIR)
    if request.param.setup:
        switch.vsctl(*request.param.setup.split())
    return request.param


def typed(switch, step) -> None:
    for command in step.commands():
        run(command.replace("ovs-vsctl", f"ovs-vsctl --db={switch.connection}"))


def test_every_step_of_the_switch_has_a_sample():
    """A new one gets one here."""
    there = {
        name
        for module in (bridge, port, restore)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, OvsStep) and "Ovs" in name
    }
    undone = {"RestoreOvsBridge", "RestoreOvsInterface", "RestoreOvsPort", "OvsStep"}
    assert {type(sample.step).__name__ for sample in SAMPLES} == there - undone


@pytest.mark.parametrize("sample", PARAMS, indirect=True)
def test_a_step_holds_once_it_was_run(sample, ovsdb):
    """It tells what does not hold; afterwards nothing; and a second time changes nothing."""
    assert sample.step.differences(Snapshot(ovsdb))
    apply_steps(ovsdb, [sample.step])
    assert [d for d in sample.step.differences(Snapshot(ovsdb)) if not d.pending] == []
    after = snapshot()
    assert apply_steps(ovsdb, [sample.step]) == []
    assert differences(after) == []


@pytest.mark.short_form(key=lambda sample: type(sample.step))
@pytest.mark.parametrize("sample", UNDONE, indirect=True)
def test_the_undo_of_a_step_leaves_the_switch_as_it_was(sample, ovsdb):
    """With all that others had set on its rows."""
    before = snapshot()
    undo = apply_steps(ovsdb, [sample.step])
    assert undo
    assert changes(before, snapshot()) != []
    apply_steps(ovsdb, undo)
    assert differences(without_indexes(before), indexes=False) == []


@pytest.mark.short_form(key=lambda sample: type(sample.step))
@pytest.mark.parametrize("sample", TYPED, indirect=True)
def test_the_printed_commands_make_a_step_hold(sample, switch, ovsdb):
    """What is shown can be typed."""
    typed(switch, sample.step)
    assert [d for d in sample.step.differences(Snapshot(ovsdb)) if not d.pending] == []
    assert apply_steps(ovsdb, [sample.step]) == []


@pytest.mark.short_form(key=lambda sample: type(sample.step))
@pytest.mark.parametrize("sample", UNDONE, indirect=True)
def test_the_printed_undo_can_be_typed(sample, switch, ovsdb):
    """As an error that could not undo tells it."""
    before = snapshot()
    for step in apply_steps(ovsdb, [sample.step]):
        typed(switch, step)
    assert differences(without_indexes(before), indexes=False) == []


def test_ids_of_others_and_isolation_of_a_live_port_stay(switch, ovsdb):
    """What OVN and Neutron have written since, a plug again leaves alone."""
    run(_PAIR)
    switch.vsctl(*_BRIDGE.split())
    step = EnsureOvsPort(
        "br", "qvo", external_ids=(("iface-id", "i"),), isolated=True, qos="linux-noop"
    )
    apply_steps(ovsdb, [step])
    switch.vsctl("clear", "Port", "qvo", "tag", "trunks", "vlan_mode", "qos")
    switch.vsctl("set", "Port", "qvo", "tag=3", "--", "set", "Interface", "qvo",
                 "external_ids:ovn-installed=true", "external_ids:iface-id=other")  # fmt: skip
    apply_steps(ovsdb, [step])
    ids = switch.vsctl("get", "Interface", "qvo", "external_ids")
    assert ids == '{iface-id=i, ovn-installed="true"}'
    assert switch.vsctl("get", "Port", "qvo", "tag", "trunks", "qos") == "3\n[]\n[]"


def test_a_bridge_in_use_stays(switch, ovsdb):
    """By any port that is not a patch; a bridge that is nobody's own cannot be asked for at all."""
    run(_PAIR)
    switch.vsctl("add-br", "tbr-1", "--", "add-port", "tbr-1", "qvo")
    before = switch.dump()
    assert DeleteOvsBridge("tbr-1").differences(Snapshot(ovsdb)) == ()
    assert apply_steps(ovsdb, [DeleteOvsBridge("tbr-1")]) == []
    assert switch.dump() == before
    with pytest.raises(exception.InvalidStep, match="begins with tbr- or pb"):
        DeleteOvsBridge("br-int")
    apply_steps(ovsdb, [DeleteOvsPort("qvo"), DeleteOvsBridge("tbr-1")])
    assert switch.dump()["bridges"] == {}


def test_the_port_of_a_bridge_itself_stays(switch, ovsdb):
    """Whatever a VIF is called."""
    switch.vsctl(*_BRIDGE.split())
    assert apply_steps(ovsdb, [DeleteOvsPort("br")]) == []
    assert "br" in switch.vsctl("list-br")


def test_a_port_of_another_bridge_is_not_taken_from_there(switch, at):
    """And one whose bridge is missing says so; nothing changes."""
    run(_PAIR)
    switch.vsctl(*_PORT.split())
    before = switch.dump()
    with pytest.raises(exception.StepFailed, match="qvo is in br, and not taken from there"):
        runner.run(
            Plan(EnsureOvsBridge("other"), EnsureOvsPort("other", "qvo"), switch=at), DAEMON
        )
    with pytest.raises(exception.StepFailed, match="there is no bridge none"):
        runner.run(Plan(EnsureOvsPort("none", "x"), switch=at), DAEMON)
    assert switch.dump() == before


def test_what_the_database_refuses_is_told_with_the_step(switch, at):
    """The reason is the database's own."""
    switch.vsctl(*_BRIDGE.split())
    wrong = EnsureOvsPort("br", "b", mtu_request=1500, options=(("peer", "c"),))
    plan = Plan(
        EnsureOvsPort("br", "a"),
        wrong,
        EnsureOvsBridge("br2"),
        EnsureOvsPort("br2", "br"),
        switch=at,
    )
    with pytest.raises(exception.StepFailed, match="br is in br, and not taken"):
        runner.run(plan, DAEMON)
    assert switch.vsctl("list-ports", "br") == ""


def test_a_port_that_must_open_and_does_not_fails_the_plan(switch, at):
    """With vswitchd's own reason; the kernel's part is undone too."""
    switch.vsctl(*_BRIDGE.split())
    before = snapshot()
    pair = (EnsureVeth("qvb", "qvo"), SetLink("qvo", up=True))
    plan = Plan(
        *pair, EnsureOvsPort("br", "qvo"), EnsureOvsPort("br", "tapx", must_open=True), switch=at
    )
    with pytest.raises(exception.StepFailed) as info:
        runner.run(plan, DAEMON)
    assert str(info.value) == (
        "EnsureOvsPort failed on tapx: could not open network device tapx (No such device). "
        "Undone: 4 changes before it"
    )
    assert differences(before) == []


def test_a_port_of_the_hypervisor_is_pending(switch, at):
    """It is no fault that its device is not there yet; when it comes, it is opened."""
    switch.vsctl(*_BRIDGE.split())
    plan = Plan(EnsureOvsPort("br", "tap1"), switch=at)
    runner.run(plan, DAEMON)
    (waits,) = runner.check(plan)
    assert waits.pending
    assert "could not open network device tap1 (No such device)" in str(waits)
    run("ip link add name tap1 type veth peer name guest; ip link set dev tap1 up")
    until(lambda: runner.check(plan) == ())


def until(holds, seconds=5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_port_of_dpdk_is_fatal_only_where_there_is_dpdk(switch, at):
    """This switch has none: the row is there, and waits."""
    switch.vsctl(*_BRIDGE.split())
    port = EnsureOvsPort("br", "vhu1", "dpdkvhostuserclient", must_open=True)
    runner.run(Plan(port, switch=at), DAEMON)
    (waits,) = runner.check(Plan(port, switch=at))
    assert waits.pending


def test_a_port_whose_device_comes_with_the_plan_is_waited_for(switch, at):
    """As after a boot: the row is there, the device is not. When it is, vswitchd has to open it."""
    switch.vsctl(*_PORT.split())
    assert switch.vsctl("get", "Interface", "qvo", "ofport") == "-1"
    plan = Plan(EnsureVeth("qvb", "qvo"), EnsureOvsPort("br", "qvo", must_open=True), switch=at)
    runner.run(plan, DAEMON)
    assert runner.check(plan) == ()


def test_a_switch_that_is_not_there_leaves_the_kernel_alone(at, switch):
    """It is asked for first."""
    gone = plans.OvsdbTarget("unix:/no/such", 5)
    before = snapshot()
    plan = Plan(EnsureVeth("qvb", "qvo"), EnsureOvsBridge("br"), switch=gone)
    with pytest.raises(exception.StepFailed) as info:
        runner.run(plan, DAEMON)
    assert str(info.value) == (
        "Connecting to Open vSwitch failed on br: Open vSwitch at unix:/no/such: No such file or "
        "directory (`os-vif doctor` checks the connection). Nothing was done"
    )
    assert snapshot() == before
    with pytest.raises(exception.StepFailed, match="No such file or directory"):
        runner.check(plan)


def test_a_vswitchd_that_does_nothing_fails_the_plan(switch):
    """After the configured time; database and kernel are as before."""
    switch.vsctl(*_BRIDGE.split())
    before = snapshot()
    plan = Plan(
        EnsureVeth("qvb", "qvo"),
        EnsureOvsPort("br", "qvo"),
        switch=plans.OvsdbTarget(switch.connection, 1),
    )
    os.kill(switch.pid("ovs-vswitchd"), signal.SIGSTOP)
    try:
        with pytest.raises(
            exception.StepFailed, match="has not applied it within 1 seconds"
        ) as info:
            runner.run(plan, DAEMON)
    finally:
        os.kill(switch.pid("ovs-vswitchd"), signal.SIGCONT)
    assert "Undone: 2 changes" in str(info.value)
    assert differences(before) == []


def test_a_server_that_vanishes_while_it_is_asked(switch):
    """It is said that the outcome is unknown; the kernel is as before; the next run converges."""
    switch.vsctl(*_BRIDGE.split())
    before = snapshot()
    at = plans.OvsdbTarget(switch.connection, 1)
    plan = Plan(EnsureVeth("qvb", "qvo"), EnsureOvsPort("br", "qvo", must_open=True), switch=at)
    pid = switch.pid("ovsdb-server")
    with Ovsdb(switch.connection, 1):
        stopping = threading.Event()

        class Stops(EnsureOvsBridge):
            """Stops the server when it is asked what to do, which is after the kernel's steps."""

            def add_operations(self, look, changes):
                done = super().add_operations(look, changes)
                if not stopping.is_set():
                    stopping.set()
                    os.kill(pid, signal.SIGSTOP)
                return done

        stops = Plan(plan.steps[0], plan.steps[1], Stops("br"), switch=at)
        try:
            with pytest.raises(exception.StepFailed, match="unknown; plugging or unplugging") as i:
                runner.run(stops, DAEMON)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert "no answer within 1 seconds" in str(i.value)
    assert "Undone: 1 changes" in str(i.value)
    assert [link["ifname"] for link in ip("link") if link["ifname"].startswith("qv")] == []
    runner.run(plan, DAEMON)
    assert runner.check(plan) == ()
    runner.run(Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=at), DAEMON)
    assert differences(without_indexes(before), indexes=False) == []


def test_a_bridge_that_is_deleted_between_look_and_act_is_looked_at_again(switch, ovsdb):
    """As Neutron deletes the bridge of a trunk: bridge and port come in one transaction."""
    run(_PAIR)
    switch.vsctl("add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev")
    asked = []

    class Slow(EnsureOvsPort):
        """Somebody is faster."""

        def add_operations(self, look, changes):
            done = super().add_operations(look, changes)
            if not asked:
                switch.vsctl("del-br", "tbr-1")
            asked.append(1)
            return done

    apply_steps(ovsdb, [EnsureOvsBridge("tbr-1", "netdev"), Slow("tbr-1", "qvo", must_open=True)])
    assert len(asked) == 2
    assert switch.vsctl("list-ports", "tbr-1") == "qvo"


def test_many_make_one_bridge_at_the_same_time(switch):
    """One is first; the others find it, and each has its port."""
    errors = []

    def plug(n):
        at = plans.OvsdbTarget(switch.connection, 20)
        try:
            runner.run(
                Plan(EnsureOvsBridge("br", "netdev"), EnsureOvsPort("br", f"p{n}"), switch=at),
                DAEMON,
            )
        except exception.StepFailed as error:
            errors.append(error)

    threads = [threading.Thread(target=plug, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(switch.vsctl("list-ports", "br").split()) == sorted(f"p{n}" for n in range(12))


def test_undo_does_not_take_away_a_bridge_that_another_has_joined(switch, ovsdb):
    """Made by this plan, used by now."""
    run(_PAIR)
    undo = apply_steps(ovsdb, [EnsureOvsBridge("br", "netdev")])
    switch.vsctl("add-port", "br", "qvo")
    apply_steps(ovsdb, undo)
    assert switch.vsctl("list-ports", "br") == "qvo"


def test_undo_does_not_take_away_a_namesake(switch, ovsdb):
    """A port that was deleted and made again is another one."""
    run(_PAIR)
    switch.vsctl(*_BRIDGE.split())
    undo = apply_steps(ovsdb, [EnsureOvsPort("br", "qvo")])
    switch.vsctl("del-port", "qvo", "--", "add-port", "br", "qvo")
    apply_steps(ovsdb, undo)
    assert switch.vsctl("list-ports", "br") == "qvo"


def test_a_failure_between_two_transactions_undoes_both(switch, at):
    """Kernel and switch, in reverse."""
    switch.vsctl(*_BRIDGE.split())
    before = snapshot()
    plan = Plan(
        EnsureOvsBridge("pb1", "netdev"), EnsureVeth("qvb", "qvo"), EnsureOvsPort("pb1", "qvo"),
        SetLink("missing", up=True), switch=at,
    )  # fmt: skip
    with pytest.raises(exception.StepFailed, match="Undone: 3 changes"):
        runner.run(plan, DAEMON)
    assert differences(before) == []


def test_what_cannot_be_undone_in_the_switch_is_in_the_error(switch, at):
    """As commands to type, with the reason."""
    switch.vsctl(*_QOS.split())
    plan = Plan(DeleteOvsPort("qvo"), SetLink("missing", up=True), switch=at)
    undo = restore.RestoreOvsPort.add_operations
    restore.RestoreOvsPort.add_operations = lambda *_: (_ for _ in ()).throw(OSError(5, "no"))
    try:
        with pytest.raises(exception.StepFailed) as info:
            runner.run(plan, DAEMON)
    finally:
        restore.RestoreOvsPort.add_operations = undo
    assert "still to be undone by hand:\n  ovs-vsctl add-port br qvo -- --id=@qos" in str(
        info.value
    )
    assert str(info.value).endswith("# no")


def test_a_plan_of_a_switch_that_names_none_is_refused():
    """It is the plugin's to say where the switch is."""
    with pytest.raises(exception.StepFailed, match="the plan names no switch"):
        runner.run(Plan(EnsureOvsBridge("br")), DAEMON)
