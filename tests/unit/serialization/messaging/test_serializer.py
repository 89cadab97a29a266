# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects in calls and replies of oslo.messaging."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import downgrade, dumps, from_document, loads, messaging, to_document
from tests.support.data import expected_losses
from tests.support.messaging.in_process import oslo_messaging, running_server
from tests.support.strategies import ALL, PROFILES, VIFS, make

FORMS = ("ovo", "json", "protobuf")
#: Objects of every class, and a VIF with every port profile.
SAMPLES = {name: make(name) for name in ALL} | {
    f"VIFOpenVSwitch with {name}": make("VIFOpenVSwitch", port_profile=make(name))
    for name in (*PROFILES, "VIFPortProfileSRIOV")
}


@pytest.fixture(scope="module")
def exchange():
    """A server that writes for readers of this release."""
    with running_server(messaging.Serializer()) as running:
        yield running


@pytest.mark.parametrize("form", FORMS)
def test_every_class_and_profile_comes_back_equal(exchange, form):
    if form == "protobuf":
        pytest.importorskip("google.protobuf", reason="needs os-vif[protobuf]")
    serializer = messaging.Serializer(form=form)
    sent = {name: [{"deep": (obj,)}] for name, obj in SAMPLES.items()}
    answer = exchange.echo(sent, serializer)
    differing = [n for n, obj in SAMPLES.items() if dumps(answer[n][0]["deep"][0]) != dumps(obj)]
    assert differing == []
    assert all(type(answer[name][0]["deep"][0]) is type(obj) for name, obj in SAMPLES.items())


@pytest.mark.parametrize("release", expected_losses.RELEASES)
def test_a_pinned_release_gets_what_downgrade_writes_or_nothing(exchange, release):
    """DataLoss names the same paths as downgrade, and the message is not sent."""
    serializer = messaging.Serializer(release)
    sent, lost, unknown = {}, {}, {}
    for name, obj in SAMPLES.items():
        try:
            data, losses = downgrade(obj, release)
        except exception.UnknownKind:
            unknown[name] = obj
            with pytest.raises(exception.UnknownKind, match=obj.obj_name()):
                serializer.serialize_entity({}, obj)
        else:
            if losses:
                lost[name] = obj
                with pytest.raises(exception.DataLoss) as caught:
                    serializer.serialize_entity({}, obj)
                assert caught.value.losses == tuple(losses), name
            else:
                sent[name] = obj
                assert serializer.serialize_entity({}, obj) == data, name
    assert all((sent, lost, unknown))
    exchange.endpoint.received.clear()
    for refused in (lost, unknown):
        with pytest.raises(exception.SerializationError):
            exchange.echo(sent | refused, serializer)
    assert exchange.endpoint.received == []
    answers = exchange.echo(sent, serializer)
    for name, obj in sent.items():
        assert dumps(answers[name]) == dumps(loads(json.dumps(downgrade(obj, release)[0]))), name


def test_with_losses_tell_the_object_is_sent_without_the_values(exchange, caplog):
    obj = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileSRIOV"))
    answer = exchange.echo({"vif": obj}, messaging.Serializer("5.3.0", losses="tell"))["vif"]
    assert type(answer.port_profile) is objects.vif.VIFPortProfileBase
    assert answer.id == obj.id
    (text,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    for loss in downgrade(obj, "5.3.0")[1]:
        assert str(loss) in text
    # No data is left without the class of the object.
    with pytest.raises(exception.UnknownKind):
        exchange.echo(make("VIFVlanNested"), messaging.Serializer("5.3.0", losses="tell"))


def test_the_release_of_a_function_applies_to_the_next_message(exchange):
    readers = ["5.3.0", CURRENT_RELEASE, None]
    serializer = messaging.Serializer(lambda: readers[0], form="json")
    obj = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileOpenVSwitch"))
    assert serializer.serialize_entity({}, obj) == downgrade(obj, "5.3.0")[0]
    del readers[0]
    # Documents begin when every reader reads documents.
    assert serializer.serialize_entity({}, obj) == to_document(obj)
    del readers[0]
    assert serializer.serialize_entity({}, obj) == to_document(obj)
    readers[0] = "no-release"
    with pytest.raises(exception.UnsupportedVersion, match="no-release"):
        serializer.serialize_entity({}, obj)


def test_all_objects_of_an_argument_are_written_for_the_same_release():
    """A receiver may be upgraded while an argument is serialized."""
    readers = iter(["5.3.0"])
    serializer = messaging.Serializer(lambda: next(readers, None), form="json")
    vif = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileOpenVSwitch"))
    data = serializer.serialize_entity({}, [vif, {"a": vif, "b": (vif,)}, {vif}])
    old = downgrade(vif, "5.3.0")[0]
    assert data == [old, {"a": old, "b": [old]}, [old]]
    # The function is called again for the next argument.
    assert serializer.serialize_entity({}, [vif]) == [to_document(vif)]


@pytest.mark.parametrize(
    ("found", "release"), [("6.1.0", CURRENT_RELEASE), ("5.3", "5.3.0"), ("6.0.0rc1", "5.3.0")]
)
def test_the_function_may_return_a_release_that_this_library_does_not_know(found, release):
    vif = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileOpenVSwitch"))
    data = messaging.Serializer(lambda: found).serialize_entity({}, vif)
    assert data == downgrade(vif, release)[0]


def test_an_error_of_the_function_sends_nothing(exchange):
    def fail():
        raise ConnectionError("no database")

    with pytest.raises(ConnectionError, match="no database"):
        exchange.echo(make("VIFBridge"), messaging.Serializer(fail))
    assert exchange.echo([1, "a"], messaging.Serializer(fail)) == [1, "a"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"release": "5.3.9"}, exception.UnsupportedVersion, "release: found '5.3.9'"),
        ({"release": 5}, exception.UnsupportedVersion, "release: found 5"),
        ({"release": ["5.3.0"]}, exception.UnsupportedVersion, "release: found"),
        ({"form": "yaml"}, ValueError, "form 'yaml': use ovo, json, protobuf"),
        ({"losses": "ignore"}, ValueError, "losses 'ignore': use refuse, tell"),
        ({"release": "5.3.0", "form": "json"}, ValueError, "5.3.0 does not read the form 'json'"),
    ],
)
def test_invalid_arguments_are_refused_when_the_service_starts(arguments, error, text):
    with pytest.raises(error, match=text):
        messaging.Serializer(**arguments)


def test_a_set_becomes_a_sorted_list(exchange):
    serializer = messaging.Serializer()
    assert exchange.echo({"b", "a", "c"}, serializer) == ["a", "b", "c"]
    assert exchange.echo({10, 9}, serializer) == [9, 10]
    assert exchange.echo(frozenset({1, "a"}), serializer) == ["a", 1]
    vifs = {make("VIFBridge", vif_name=f"tap{n}") for n in range(8)}
    names = [vif.vif_name for vif in exchange.echo({"vifs": vifs}, serializer)["vifs"]]
    assert names == [f"tap{n}" for n in range(8)]


def test_plain_values_are_unchanged(exchange):
    values = [None, True, 1, 1.5, "", "os-vif/2.0", {"apiVersion": "v1", "kind": "Pod"}, [], {}]
    values += [json.dumps(to_document(make("VIFBridge"))), {"versioned_object": {"name": "x"}}]
    assert exchange.echo(values, messaging.Serializer()) == values
    assert exchange.echo(tuple(values), messaging.Serializer()) == values


def test_unknown_fields_of_a_newer_writer_are_sent_on():
    """A field that a later release adds to a document or a primitive is preserved."""
    document = to_document(make("VIFBridge")) | {"apiVersion": "os-vif/2.9", "colour": "red"}
    newer = from_document(document)
    serializer = messaging.Serializer(form="json")
    assert serializer.serialize_entity({}, newer)["colour"] == "red"
    answer = serializer.deserialize_entity({}, serializer.serialize_entity({}, newer))
    assert to_document(answer)["colour"] == "red"


def test_unknown_fields_of_another_format_are_a_loss(caplog):
    document = to_document(make("VIFBridge")) | {"apiVersion": "os-vif/2.9", "colour": "red"}
    newer = from_document(document)
    for form in ("ovo", "protobuf"):
        if form == "protobuf":
            pytest.importorskip("google.protobuf", reason="needs os-vif[protobuf]")
        with pytest.raises(exception.DataLoss) as caught:
            messaging.Serializer(form=form).serialize_entity({}, newer)
        assert [loss.path for loss in caught.value.losses] == ["colour"]
        serializer = messaging.Serializer(form=form, losses="tell")
        data = serializer.serialize_entity({}, newer)
        assert dumps(serializer.deserialize_entity({}, data)) == dumps(make("VIFBridge"))
        assert "colour" in caplog.text
    # The sender's object is unchanged.
    assert to_document(newer)["colour"] == "red"


def test_the_reply_of_a_server_is_pinned_too():
    with running_server(messaging.Serializer("5.3.0")) as running:
        running.endpoint.received.append(
            make("VIFHostDevice", port_profile=make("VIFPortProfileSRIOV"))
        )
        with pytest.raises(exception.DataLoss, match=r"port_profile\.vlan"):
            running.call("give")


@pytest.mark.parametrize(
    ("message", "error", "path"),
    [
        ({"apiVersion": "os-vif/2.0", "kind": "VIFBridge", "address": "x"}, "InvalidValue", "address"),
        ({"apiVersion": "os-vif/3.0", "kind": "VIFBridge"}, "UnsupportedVersion", "apiVersion"),
        ({"apiVersion": "os-vif/2.0", "kind": "Router"}, "UnknownKind", "kind"),
        ({"versioned_object.name": "VIFBridge"}, "UnknownKind", "versioned_object.namespace"),
        ({"os_vif.protobuf": "//8="}, "MalformedDocument", ""),
        ({"os_vif.protobuf": 7}, "MalformedDocument", "os_vif.protobuf"),
    ],
)  # fmt: skip
def test_the_client_gets_the_error_of_an_invalid_message(exchange, message, error, path):
    """The class, with allowed_remote_exmods, and the path of the field."""
    if error == "MalformedDocument":
        pytest.importorskip("google.protobuf", reason="needs os-vif[protobuf]")
    with pytest.raises(
        getattr(exception, error), match=f"^{path or 'The document'}: found"
    ) as caught:
        exchange.echo({"a": [message]})
    assert caught.value.path == path
    assert caught.value.expected
    # The thread of the server serves the next call.
    assert exchange.echo(1) == 1


def test_deeply_nested_data_is_refused_in_both_directions():
    deep = leaf = []
    for _ in range(100_000):
        leaf.append([])
        leaf = leaf[0]
    for method, error in (
        ("serialize_entity", exception.InvalidValue),
        ("deserialize_entity", exception.MalformedDocument),
    ):
        with pytest.raises(error, match="nest too deeply"):
            getattr(messaging.Serializer(), method)({}, deep)


@ovo.VersionedObjectRegistry.register
class ShopFlavor(ovo.VersionedObject):
    """An object of another service."""

    OBJ_SERIAL_NAMESPACE = "shop_object"
    OBJ_PROJECT_NAMESPACE = "shop"
    fields = {"size": ovo_fields.IntegerField()}


class ShopSerializer(ovo.VersionedObjectSerializer):
    """The serializer of another service, as in nova."""

    OBJ_BASE_CLASS = ShopFlavor

    def serialize_context(self, ctxt):
        return ctxt | {"serialized": True}

    def deserialize_context(self, ctxt):
        return ctxt | {"deserialized": True}


def test_objects_of_another_project_go_through_the_serializer_of_that_project():
    serializer = messaging.Serializer(base=ShopSerializer())
    with running_server(serializer) as running:
        sent = [ShopFlavor(size=3), make("VIFBridge"), {"in": {ShopFlavor(size=4)}, "n": 1}]
        flavor, vif, more = running.echo(sent, serializer)
        assert (type(flavor), flavor.size) == (ShopFlavor, 3)
        assert dumps(vif) == dumps(make("VIFBridge"))
        assert (type(more["in"][0]), more["in"][0].size, more["n"]) == (ShopFlavor, 4, 1)
    assert serializer.serialize_context({}) == {"serialized": True}
    assert serializer.deserialize_context({}) == {"deserialized": True}


def test_an_object_of_another_project_without_its_serializer_is_refused(exchange):
    """oslo.messaging alone would send the values of the object as a dict."""
    with pytest.raises(
        exception.InvalidValue, match=r"ShopFlavor of the project shop; expected .*base"
    ):
        exchange.echo([ShopFlavor(size=3)], messaging.Serializer())


def test_a_primitive_of_another_project_stays_with_its_serializer():
    """Neutron's primitives have the same names of keys as those of os-vif."""
    data = {
        "versioned_object.name": "Port",
        "versioned_object.namespace": "versionedobjects",
        "versioned_object.version": "1.9",
        "versioned_object.data": {"vif": to_document(make("VIFBridge"))},
    }
    serializer = messaging.Serializer(base=oslo_messaging.NoOpSerializer())
    assert serializer.deserialize_entity({}, data) is data
    with pytest.raises(exception.UnknownKind, match="versionedobjects"):
        messaging.Serializer().deserialize_entity({}, data)


def test_objects_get_the_context_of_the_request():
    """As with the serializer of oslo.versionedobjects."""
    serializer = messaging.Serializer()
    data = serializer.serialize_entity({}, make("VIFBridge"))
    assert serializer.deserialize_entity("the request", data)._context == "the request"


def test_a_notification_has_plain_data():
    payload = {"vifs": [make("VIFBridge")], "tags": {"b", "a"}}
    data = messaging.Serializer(form="json").serialize_entity({}, payload)
    assert data == {"vifs": [to_document(make("VIFBridge"))], "tags": ["a", "b"]}
    json.dumps(data)


def test_every_manifest_of_a_release_is_tried():
    assert {*map(str, expected_losses.RELEASES)} <= {*history.releases(), *history.peers()}
    assert {*VIFS, *PROFILES} <= {*ALL}


#: What oslo.versionedobjects imports of oslo.messaging.
STAND_IN = (
    "import sys, types\n"
    "stand_in = types.SimpleNamespace(NoOpSerializer=object)\n"
    "sys.modules['oslo_messaging'] = stand_in\n"
)


def test_only_the_serializer_imports_oslo_messaging():
    """oslo.versionedobjects imports oslo.messaging for the base class of its own serializer.

    With a stand-in for the base class, the package serialization and the other names of messaging
    work.
    """
    code = STAND_IN + (
        "import os_vif.serialization\n"
        "assert 'os_vif.serialization.messaging' not in sys.modules\n"
        "from os_vif.serialization import messaging\n"
        "messaging.BackportEndpoint(), messaging.common_release(['5.3.0'])\n"
        "assert sys.modules['oslo_messaging'] is stand_in\n"
        "assert not [name for name in sys.modules if name.startswith('oslo_messaging.')]\n"
        "del sys.modules['oslo_messaging']\n"
        "messaging.Serializer()\n"
        "assert 'oslo_messaging.serializer' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_a_missing_oslo_messaging_names_the_extra():
    code = STAND_IN + (
        "from os_vif.serialization import messaging\n"
        "sys.modules['oslo_messaging'] = None\n"
        "try:\n    messaging.Serializer\n"
        "except ImportError as error:\n    assert 'os-vif[messaging]' in str(error), error\n"
        "else:\n    raise SystemExit('no error')\n"
        "assert not hasattr(messaging, 'serialise')\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
