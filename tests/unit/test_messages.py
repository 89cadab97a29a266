# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Messages for people: wrong arguments and values, text from outside, and log messages."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import ClassVar

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields
from oslo_versionedobjects import fixture

import os_vif
from os_vif import escape, exception, objects
from os_vif.codec import descriptions
from os_vif.objects import fields
from os_vif.objects.versioning import history

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
HOSTILE = "a\x1b[2J\nERROR forged\u202e\ud800"


@pytest.fixture
def initialized():
    """Initialize the library with the plugins of this tree."""
    os_vif.initialize()


def all_fields():
    """Return every field of every class, except fields that accept any value."""
    for name in sorted(history.vocabulary()):
        cls = ovo.VersionedObjectRegistry.obj_classes()[name][0]
        for field_name, field in sorted(cls.fields.items()):
            if type(field._type) is ovo_fields.Boolean:
                continue
            yield pytest.param(cls, field_name, field, id=f"{name}.{field_name}")


class Odd:
    """A value that every field refuses, also the lax fields of oslo.versionedobjects."""

    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(("cls", "name", "field"), all_fields())
def test_a_value_that_a_constructor_refuses_is_named_with_class_and_field(cls, name, field):
    """The error has the expected value in words, without the name of a Python type."""
    with pytest.raises((ValueError, TypeError)) as refusal:
        cls(**{name: Odd()})
    assert_named(refusal.value, cls, name, field)


@pytest.mark.parametrize(("cls", "name", "field"), all_fields())
def test_a_value_that_an_assignment_refuses_is_named_with_class_and_field(cls, name, field):
    """The object does not change."""
    obj = cls()
    before = obj.obj_to_primitive()
    with pytest.raises((ValueError, TypeError)) as refusal:
        setattr(obj, name, Odd())
    assert_named(refusal.value, cls, name, field)
    assert obj.obj_to_primitive() == before


def test_an_assignment_to_a_subclass_of_another_project_is_named_as_well():
    """oslo.versionedobjects creates the properties of such a class."""

    class VIFOfAVendor(objects.VIFBridge):
        fields: ClassVar = {"port": ovo_fields.IntegerField()}

    with fixture.VersionedObjectRegistryFixture():
        ovo.VersionedObjectRegistry.register(VIFOfAVendor)
        with pytest.raises(ValueError, match=r"^VIFOfAVendor.port: found 'x'; expected a whole"):
            VIFOfAVendor().port = "x"
        with pytest.raises(ValueError, match=r"^VIFOfAVendor.address: found 'x'; expected a MAC"):
            VIFOfAVendor().address = "x"


def assert_named(error, cls, name, field):
    """Check that an error has class, field and expected value."""
    text = str(error)
    assert text.startswith(f"{cls.obj_name()}.{name}: ")
    assert "expected " in text
    assert "Field takes" not in text
    assert f"expected {descriptions.of_field(field)}" in text


@pytest.mark.parametrize(
    ("cls", "values", "text"),
    [
        (
            "VIFBridge",
            {"address": "bad"},
            "VIFBridge.address: found 'bad'; expected a MAC address",
        ),
        ("Network", {"mtu": "x"}, "Network.mtu: found 'x'; expected a whole number"),
        ("VIFHostDevice", {"dev_address": "1"}, "expected a PCI address, such as 0000:03:00.1"),
        (
            "VIFVHostUser",
            {"mode": "x"},
            "VIFVHostUser.mode: found 'x'; expected one of client, se",
        ),
        ("Subnet", {"cidr": "1/99"}, "Subnet.cidr: found '1/99'; expected an IP network with"),
        (
            "FixedIP",
            {"address": "x\x1b[2J"},
            r"FixedIP.address: found 'x\\x1b\[2J'; expected an IP",
        ),
        (
            "Network",
            {"subnets": 3},
            "Network.subnets: found 3; expected an object of the class Su",
        ),
    ],
)
def test_the_words_for_a_refused_value(cls, values, text):
    """The words are the words of errors of documents."""
    with pytest.raises(ValueError, match=text):
        getattr(objects, cls)(**values)


def test_every_type_of_field_has_a_description_of_its_own():
    """Only types of other projects are described by the name of the Python class."""
    for name in history.vocabulary():
        for field in ovo.VersionedObjectRegistry.obj_classes()[name][0].fields.values():
            assert "that the type" not in descriptions.of_field(field)
    assert descriptions.of_field(fields.DictOfVIFsField()) == (
        "an object, each value of which is an object of the class VIFBase or a subclass of it"
    )


@pytest.mark.usefixtures("initialized")
@pytest.mark.parametrize("call", [os_vif.plug, os_vif.unplug, os_vif.plan, os_vif.check])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (({}, INSTANCE), r"vif .the first argument. is of the type dict \(\{\}\); expected a VIF"),
        ((None, INSTANCE), r"is of the type NoneType \(None\); expected a VIF object"),
        (
            ("{}", INSTANCE),
            r"is of the type str \('\{\}'\); .*stored JSON, call os_vif.serialization.loads\(\)",
        ),
        (
            (INSTANCE, objects.VIFBridge(plugin="noop")),
            "an object of the class InstanceInfo; .*the two arguments are swapped",
        ),
        (
            (objects.VIFBridge(plugin="noop"), "uuid"),
            r"instance_info .the second argument. is of the type str \('uuid'\); expected an obj",
        ),
        (
            (objects.VIFBridge(plugin="noop"), objects.VIFBridge()),
            "is an object of the class VIFBridge; expected an object of .*InstanceInfo",
        ),
    ],
)
def test_arguments_of_the_wrong_type_are_described(call, arguments, text):
    """The error is raised before the library calls a plugin."""
    with pytest.raises(exception.InvalidField, match=text):
        call(*arguments)


@pytest.mark.usefixtures("initialized")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ovss", "named 'ovss'. Installed plugins: linux_bridge, noop, ovs.* Did you mean 'ovs'?"),
        ("linuxbridge", "Did you mean 'linux_bridge'?"),
        ("zzzzz\x1b[2J", r"named 'zzzzz\\x1b\[2J'. Installed plugins: [^?]*\.$"),
    ],
)
def test_an_unknown_plugin_is_answered_with_those_that_there_are(name, text):
    """The error lists the plugins, with a suggestion for a similar name."""
    with pytest.raises(exception.NoMatchingPlugin, match=text) as refusal:
        os_vif.plug(objects.VIFBridge(plugin=name), INSTANCE)
    assert refusal.value.kwargs == {"plugin_name": name}


@pytest.mark.usefixtures("initialized")
def test_a_failure_is_logged_in_one_line_and_traced_once_at_debug(caplog):
    """The log line has the VIF as a document, for a new attempt."""
    caplog.set_level(logging.DEBUG)
    vif = objects.VIFGeneric(id="0a0b0c0d-0000-4000-8000-000000000000", plugin="ovs")
    with pytest.raises(exception.PlugException):
        os_vif.plug(vif, INSTANCE)
    ours = [record for record in caplog.records if record.name.startswith("os_vif")]
    (error,) = (record for record in ours if record.levelno >= logging.ERROR)
    assert "\n" not in error.getMessage()
    assert error.exc_info is None
    (traced,) = (record for record in ours if record.exc_info)
    assert traced.levelno == logging.DEBUG
    (document,) = (r.getMessage() for r in ours if "as a document" in r.getMessage())
    assert '{"apiVersion":"os-vif/2.0"' in document.replace(" ", "").replace("document:", "")


@pytest.mark.usefixtures("initialized")
def test_what_a_vif_says_of_itself_reaches_no_log_unescaped(caplog):
    """Control characters are escaped in logs, and in errors, which may be shown in a terminal."""
    caplog.set_level(logging.DEBUG)
    vif = objects.VIFBridge(id=HOSTILE, vif_name=HOSTILE, plugin="linux_bridge")
    with pytest.raises(exception.PlugException) as failure:
        os_vif.plug(vif, INSTANCE)
    vif.plugin = "noop"
    os_vif.plug(vif, INSTANCE)
    ours = [r.getMessage() for r in caplog.records if r.name == "os_vif"]
    assert any("Plugged" in text for text in ours)
    for text in (*ours, str(failure.value)):
        assert escape.printable_lines(text) == text


def test_printable_text_has_no_control_characters():
    """The escapes have the form of Python."""
    assert escape.printable(HOSTILE) == r"a\x1b[2J\nERROR forged\u202e\ud800"
    assert escape.printable_lines("a\nb\x07") == "a\nb\\x07"
    assert escape.printable("Zürich, 東京") == "Zürich, 東京"
    assert escape.abbreviated("x" * 300) == "'" + "x" * 199 + "…"


@pytest.mark.parametrize(
    "code",
    [
        "import os_vif; os_vif.initialize()",
        "import os_vif.objects; os_vif.objects.register_all()",
        "import os_vif; os_vif.initialize(); os_vif.host_info()",
        "from os_vif import serialization; serialization.loads",
    ],
)
def test_a_first_program_is_not_greeted_by_warnings_of_other_projects(code):
    """Warnings of the library itself stay enabled."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
