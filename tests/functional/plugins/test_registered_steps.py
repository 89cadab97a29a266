# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps of plugins: registration, permission, and undo steps that cannot be sent."""

from __future__ import annotations

import dataclasses
import errno

import pytest
from oslo_privsep import capabilities

from os_vif.engine.privileged import daemon
from os_vif.host.netlink import rtnetlink
from os_vif.privsep import Context
from os_vif.steps import DeleteLink, EnsureDummy, EnsureVeth, PluginStep, SetLink, wire
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run


@dataclasses.dataclass(frozen=True)
class SetGroup(PluginStep):
    """A device has a group. What a test needs of it is given to the class."""

    name: str
    group: object

    @property
    def device(self):
        return self.name

    def validate(self):
        pass

    def commands(self):
        return (f"ip link set dev {self.name} group {self.group}",)

    def refusal(self, host):
        link = host.link(self.name)
        return None if link is None or host.is_vif(link) else "no device of a VIF"

    def differences(self, net):
        found = net.require(self.name).group
        return () if found == self.group else (self.difference("group", found, self.group),)

    def undo(self, before):
        return (type(self)(self.name, before),)

    def apply(self, net):
        link = net.require(self.name)
        if link.group == self.group:
            return ()
        net.change(link, {"IFLA_GROUP": self.group})
        return self.undo(link.group)


def derived(name="SetOther", *, frozen=True, base=SetGroup, **members):
    return dataclasses.dataclass(frozen=frozen)(type(name, (base,), members))


def context(*steps, name="vif_plug_example"):
    return Context(
        name,
        cfg_section=f"{name}_privileged",
        pypath=f"{name}.vif_plug",
        capabilities=[capabilities.CAP_NET_ADMIN],
        steps=steps,
    )


def test_a_context_accepts_its_own_steps_and_those_of_os_vif():
    registry = context(SetGroup).registry
    assert registry == {**wire.STEPS, "SetGroup": SetGroup}
    assert context().registry is wire.STEPS
    with pytest.raises(TypeError):
        registry["SetOther"] = SetGroup


def _without(name):
    """SetGroup as a class that lacks a method."""
    members = {key: value for key, value in vars(SetGroup).items() if callable(value)}
    members |= {"device": SetGroup.device}
    kept = ("device", "validate", "commands", "refusal", "differences", "apply")
    methods = {key: members[key] for key in kept if key != name}
    return dataclasses.dataclass(frozen=True)(
        type("SetPart", (PluginStep,), methods | {"__annotations__": {"name": str}})
    )


@pytest.mark.parametrize(
    "name", ["refusal", "validate", "commands", "differences", "apply", "device"]
)
def test_a_class_without_a_method_is_refused(name):
    """Above all one that does not say which devices it may change."""
    with pytest.raises(TypeError, match=f"lacks {name}"):
        context(_without(name))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([EnsureVeth], "not derived from os_vif.steps.PluginStep"),
        ([dict], "not derived from os_vif.steps.PluginStep"),
        ([SetGroup("a", 1)], "not derived from os_vif.steps.PluginStep"),
        (["SetGroup"], "not derived from os_vif.steps.PluginStep"),
        ([derived("SetLink")], "the name of another step of os-vif, SetLink"),
        ([derived("Irreversible")], "the name of another step of os-vif, Irreversible"),
        ([SetGroup, derived("SetGroup")], "the name of another step of the plugin, SetGroup"),
        (
            [type("SetPlain", (SetGroup,), {})],
            r"not decorated with @dataclasses.dataclass\(frozen",
        ),
        ([PluginStep], "lacks .*refusal"),
    ],
)
def test_what_is_no_step_of_a_plugin_is_refused(steps, reason):
    with pytest.raises(TypeError, match=reason):
        context(*steps)


def test_a_step_of_a_plugin_needs_its_rule_even_if_a_step_of_ours_has_one():
    """A class that is derived from one of ours does not inherit the rule of ours."""
    with pytest.raises(TypeError, match="lacks refusal"):
        context(dataclasses.dataclass(frozen=True)(type("MyDummy", (PluginStep, EnsureDummy), {})))


@pytest.fixture
def tap(namespace):
    """A device of a VIF, and one of the host."""
    run("ip link add name tap1 type veth peer name eth0; ip link set dev tap1 alias os-vif")
    # The thread of the test has a socket of another network namespace.
    with rtnetlink.opened() as net:
        vars(rtnetlink._per_thread)["netlink"] = net
        yield "tap1"
        del rtnetlink._per_thread.netlink


def group(name):
    return ip("link", "show", name)[0]["group"]


def call(step, *more):
    registry = context(type(step)).registry
    return daemon.run([wire.encode(each) for each in (step, *more)], registry), registry


def test_a_step_of_a_plugin_is_applied_and_undone(tap):
    before = snapshot()
    answer, registry = call(SetGroup(tap, 7))
    assert (answer["error"], group(tap)) == (None, "7")
    assert daemon.undo(answer["undo"], registry) == {"undone": 1, "not_undone": []}
    assert differences(before) == []


@pytest.mark.parametrize("said", [True, False, "", "no", 0, ValueError("no")])
def test_any_answer_but_none_is_a_refusal(tap, said):
    """So that a mistake of an author permits nothing."""

    def refusal(self, host):
        if isinstance(said, Exception):
            raise said
        return said

    before = snapshot()
    answer, _ = call(derived(refusal=refusal)(tap, 7))
    assert answer["error"]["step"] == "SetOther"
    assert differences(before) == []


def test_a_step_that_changes_nothing_is_permitted(tap):
    """As those of os-vif."""
    answer, _ = call(SetGroup("eth0", 0))
    assert answer["error"] is None
    answer, _ = call(SetGroup("eth0", 7))
    assert answer["error"]["errno"] == errno.EPERM


@pytest.mark.parametrize(
    ("undo", "reason"),
    [
        (lambda self, before: (SetGroup(self.name, before),), "SetGroup: the class is"),
        (lambda self, before: (SetLink(self.name, up=False), type(self)(self.name, [before])),
         "SetOther: group is"),
        (lambda self, before: (type(self)(self.name, {"a": before}),), "SetOther: group is"),
    ],
)  # fmt: skip
def test_an_undo_step_that_cannot_be_sent_is_rolled_back_at_once(tap, undo, reason):
    """The caller could not send it back: the daemon refuses before the plan goes on."""

    def apply(self, net):
        group = self.group[0] if isinstance(self.group, list) else self.group
        group = group["a"] if isinstance(group, dict) else group
        link = net.require(self.name)
        net.change(link, {"IFLA_GROUP": group})
        return self.undo(link.group)

    before = snapshot()
    kind = derived(undo=undo, apply=apply)
    answer, _ = call(kind(tap, 7), EnsureVeth("in", "out"))
    assert answer["error"]["step"] == "SetOther"
    assert "an undo step cannot be sent" in answer["error"]["reason"]
    assert reason in answer["error"]["reason"]
    assert answer["undo"] == []
    assert differences(before) == []


def test_a_step_before_a_failed_one_is_rolled_back(tap):
    before = snapshot()
    registry = context(SetGroup).registry
    steps = [SetGroup(tap, 7), EnsureVeth("in", "out"), SetLink("in", mtu=70000)]
    answer = daemon.run([wire.encode(step) for step in steps], registry)
    assert (answer["error"]["step"], answer["error"]["undone"]) == ("SetLink", 2)
    assert differences(before) == []


def test_in_an_unplug_the_other_steps_are_applied(tap):
    def fail(self, net):
        raise OSError(errno.EIO, "broken")

    kind = derived(apply=fail)
    registry = context(kind).registry
    messages = [wire.encode(step) for step in (kind(tap, 7), DeleteLink(tap))]
    answer = daemon.run({"steps": messages, "forward": True}, registry)
    assert [refused["step"] for refused in answer["refused"]] == ["SetOther"]
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_a_daemon_without_the_step_refuses_the_message():
    answer = daemon.run([wire.encode(SetGroup("tap1", 7))])
    assert "expected a step out of" in answer["error"]["reason"]
    assert daemon.undo([wire.encode(SetGroup("tap1", 7))])["undone"] == 0
    assert daemon.check([wire.encode(SetGroup("tap1", 7))])["error"] is not None
