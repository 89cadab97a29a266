# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps as plain data for the privileged daemon, and as commands."""

from __future__ import annotations

import dataclasses
import socket
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_privsep import comm

from os_vif import exception
from os_vif.steps import EnsureBridge, EnsureForwardingRules, EnsureVeth, SetLink
from os_vif.steps.wire import STEPS, decode, encode
from tests.support.generated.steps import FIELDS, any_step, required_fields

any_steps = st.sampled_from(sorted(STEPS)).flatmap(any_step)
each_step = pytest.mark.parametrize("name", STEPS)
#: Examples of each step: a step has at most 17 fields.
examples = settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much])


def over_the_wire(message):
    """Return a message as oslo.privsep delivers the message to the daemon."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        comm.Serializer(ours).send(message)
        return next(comm.Deserializer(theirs))


@each_step
def test_every_field_of_every_step_is_tried_here(name):
    """An added field needs an example in this module."""
    for way in FIELDS[name]:
        assert set(way) == {field.name for field in dataclasses.fields(STEPS[name])}


@each_step
@examples
@given(data=st.data())
def test_a_step_is_the_same_on_the_privileged_side(name, data):
    """Steps survive the encoding, and msgpack, which decodes tuples as lists."""
    step = data.draw(any_step(name))
    for message in (encode(step), over_the_wire(encode(step))):
        again = decode(message)
        assert type(again) is STEPS[name]
        assert again == step
        # True is equal to 1, but the texts differ.
        assert repr(again) == repr(step)
        assert hash(again) == hash(step)


def test_lists_become_tuples_on_the_privileged_side():
    """A list in a message becomes a tuple at any depth."""
    message = ["EnsureForwardingRules", {"name": "br0", "interfaces": ["eth0", "eth1"]}]
    assert decode(message) == EnsureForwardingRules("br0", interfaces=("eth0", "eth1"))


def test_what_has_its_default_is_not_sent():
    """Fields with the default value are omitted, so that messages are short."""
    assert encode(EnsureBridge("br0")) == ["EnsureBridge", {"name": "br0"}]
    assert encode(SetLink("br0", up=False)) == ["SetLink", {"name": "br0", "up": False}]


@each_step
@examples
@given(data=st.data())
def test_commands_are_one_line_each_and_name_the_device(name, data):
    """Commands are single lines with the name of the device, also with quotes."""
    step = data.draw(any_step(name))
    if getattr(step, "only_noted", False):
        # A step that only records a state has no command.
        assert step.commands() == ()
        step = dataclasses.replace(step, only_noted=False)
    # A quote within quotes.
    commands = [command.replace("'\"'\"'", "'") for command in step.commands()]
    assert commands
    for command in commands:
        assert command.splitlines() == [command]
        assert any(device in command for device in step.devices)
    assert step.device in "\n".join(commands)
    assert step.device in step.devices


@pytest.fixture
def typed(tmp_path):
    """Return the arguments that ip(8) receives from a shell for a command."""

    def typed(command):
        program = f"ip() {{ printf '%s\\n' \"$@\"; }}\n{command}"
        shell = ["sh", "-c", program]
        # An unquoted command may write to a file, so the shell has a folder of its own.
        done = subprocess.run(shell, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.stdout.splitlines()

    return typed


@pytest.mark.parametrize("alias", ["uplink", "two words", "it's", 'a "b"', "it's $HOME", '"\'"'])
def test_an_alias_can_be_typed(typed, alias):
    """The shell passes the alias unchanged to ip(8)."""
    (command,) = SetLink("eth0", alias=alias).commands()
    assert typed(command) == ["link", "set", "dev", "eth0", "alias", alias]


PAIR = ("type", "veth", "peer", "name", "veth1")


@pytest.mark.parametrize("name", ["eth0", "eth0.100", "a;b", "$HOME", "it's", "a&b", "a>b", "#a"])
def test_a_name_can_be_typed(typed, name):
    """The kernel accepts nearly any text as the name of a device."""
    (command, *_) = EnsureVeth(name, "veth1").commands()
    assert typed(command) == ["link", "add", "name", name, *PAIR]


@each_step
@examples
@given(data=st.data())
def test_what_is_no_step_is_refused_as_one(name, data):
    """A missing field, an unknown field and an unknown step are refused with an error of os-vif."""
    _, arguments = encode(data.draw(any_step(name)))
    wrong = [
        [f"{name}s", arguments],
        [name, arguments | {"unknown": 1}],
        [name, {**arguments, 1: "br0"}],
        [name, list(arguments.items())],
        [name],
        [name, arguments, {}],
        {name: arguments},
        name,
        *(
            [name, {k: v for k, v in arguments.items() if k != left}]
            for left in required_fields(name)
        ),
    ]
    for message in wrong:
        for form in (message, over_the_wire(message)):
            with pytest.raises(exception.InvalidStep):
                decode(form)
