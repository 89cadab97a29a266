# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Documents in protobuf: without losses, with checked values, readable by other programs."""

from __future__ import annotations

import collections.abc
import functools
import importlib.util
import json
import random
import shutil
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from oslo_versionedobjects import fields

pytest.importorskip("google.protobuf", reason="os-vif[protobuf] is not installed")

from os_vif import exception, objects
from os_vif.serialization import downgrade, dumps, from_document, loads, to_document, validate
from os_vif.serialization.protobuf import message_codec, message_types
from os_vif.serialization.schema import json_schema
from tests.support.data import expected_losses
from tests.support.data.document_samples import vif
from tests.support.strategies import ALL, CLASSES, any_objects, make

RANDOM = settings(deadline=None, max_examples=150, database=None)
#: A field with the number 100, which no message has.
MORE = b"\xa2\x06\x03new"


def written(obj):
    """Return an object as protobuf; discard examples that no document can express."""
    try:
        to_document(obj)
    except exception.SerializationError:
        assume(False)
    return dumps(obj, form="protobuf")


@RANDOM
@given(any_objects(ALL))
def test_round_trips(obj):
    """Every class and field survives; unset fields stay unset, and null stays null."""
    data = written(obj)
    again = loads(data)
    assert type(again) is type(obj)
    assert expected_losses.flat(again) == expected_losses.flat(obj)
    assert dumps(again) == dumps(obj)
    assert dumps(again, form="protobuf") == data
    assert again.obj_what_changed() == set()
    assert loads(bytearray(data)).obj_to_primitive() == again.obj_to_primitive()


@pytest.mark.parametrize("name", ALL)
def test_full_objects(name):
    """All fields survive; the bytes do not begin as text; older readers get equal objects."""
    obj = make(name)
    data = dumps(obj, form="protobuf")
    assert data[:1] == message_codec.MAGIC
    assert data[:1].decode() not in " \t\r\n{["
    assert to_document(loads(data)) == to_document(obj)
    if name in CLASSES:
        obj.obj_reset_changes(recursive=True)
        assert [str(loss) for loss in downgrade(loads(data), "5.3.0")[1]] == [
            str(loss) for loss in downgrade(obj, "5.3.0")[1]
        ]


def test_null_is_not_unset():
    """Null, unset and an empty list are three different values."""
    for kwargs in ({}, {"mtu": None, "vlan": None}, {"vlan": 0, "label": ""}):
        network = loads(dumps(objects.Network(**kwargs), form="protobuf"))
        assert ("vlan" in network) == ("vlan" in kwargs)
        assert ("label" in network) == ("label" in kwargs)
        if "vlan" in kwargs:
            assert network.vlan == kwargs["vlan"]
    for kwargs in ({}, {"dns": []}):
        assert ("dns" in loads(dumps(objects.Subnet(**kwargs), form="protobuf"))) == bool(kwargs)


def newer(minor=7):
    """Return a VIF of a newer release, with unknown fields at two depths."""
    message = message_codec.message_set().document()
    message.ParseFromString(dumps(vif(), form="protobuf"))
    message.minor = minor
    message.vifopenvswitch.MergeFromString(MORE)
    message.vifopenvswitch.network.subnets.objects.items[0].MergeFromString(MORE)
    message.vifopenvswitch.network.nulls.append(200)
    return message.SerializeToString(deterministic=True)


def test_what_is_not_known_survives():
    """Unknown fields of a newer minor version survive a clone, and are written in protobuf only."""
    data = newer()
    obj = loads(data)
    for copy in (obj, obj.obj_clone()):
        assert dumps(copy, form="protobuf") == data
        for form in ("json", "ovo"):
            with pytest.raises(exception.DataLoss, match=r"network\.subnets") as caught:
                dumps(copy, form=form)
            assert len(caught.value.losses) == 3
    obj.network.label = "other"
    assert dumps(obj, form="protobuf") != data
    with pytest.raises(exception.UnknownField):
        loads(newer(minor=0))
    document = to_document(vif()) | {"apiVersion": "os-vif/2.7", "zone": 1}
    with pytest.raises(exception.DataLoss, match="zone"):
        dumps(loads(json.dumps(document)), form="protobuf")


@functools.cache
def newer_document():
    """Return the document of a newer release with an additional field in every other message."""
    runtime = message_codec._runtime()
    file = runtime.descriptors.FileDescriptorProto()
    message_codec.message_set().document.DESCRIPTOR.file.CopyToProto(file)
    for message in file.message_type:
        if message.name != message_types.DOCUMENT:
            field = message.field.add(name="later", number=1000, type=9, label=1)
            assert (field.TYPE_STRING, field.LABEL_OPTIONAL) == (9, 1)
    pool = runtime.pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName(f"{message_types.PACKAGE}.{message_types.DOCUMENT}")
    return runtime.message_class(found)


def with_later(message):
    """Set the new field of every message, as a newer release would."""
    said = 0
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            inner = [value[key] for key in value]
        else:
            inner = value if isinstance(value, collections.abc.Sequence) else [value]
        for n, each in enumerate(inner):
            each.later = f"{descriptor.full_name} {n}"
            said += 1 + with_later(each)
    return said


@pytest.mark.parametrize("name", ALL)
def test_what_is_not_known_survives_in_every_message(name):
    """Unknown fields survive in messages that are no objects: lists, dicts and open types."""
    message = newer_document()()
    message.ParseFromString(dumps(make(name), form="protobuf"))
    message.minor = 3
    assert with_later(message)
    data = message.SerializeToString(deterministic=True)
    for obj in (loads(data), loads(data).obj_clone()):
        again = type(message)()
        again.ParseFromString(dumps(obj, form="protobuf"))
        assert again == message
        assert again.SerializeToString(deterministic=True) == data
    message.minor = 0
    with pytest.raises(exception.UnknownField):
        loads(message.SerializeToString())


def test_what_is_not_known_of_a_list_or_a_table_goes_with_it():
    """Unknown fields of an unset field, of null, and of a removed item are not written."""
    message = newer_document()()
    pod = make("PodState", additional_vifs={n: make("VIFVlanNested") for n in ("eth1", "eth2")})
    message.ParseFromString(dumps(pod, form="protobuf"))
    message.minor = 3
    for key in ("eth1", "eth2"):
        message.podstate.additional_vifs.items[key].later = key
    message.podstate.default_vif.later = "one of several"
    message.podstate.additional_vifs.later = "a table"
    obj = loads(message.SerializeToString())
    del obj.additional_vifs["eth2"]
    del message.podstate.additional_vifs.items["eth2"]
    again = type(message)()
    again.ParseFromString(dumps(obj, form="protobuf"))
    assert again == message
    del obj.additional_vifs
    again.ParseFromString(dumps(obj, form="protobuf"))
    assert not again.podstate.HasField("additional_vifs")
    assert again.podstate.default_vif.later == "one of several"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x08", exception.MalformedDocument),
        (b"\x08\x02", exception.UnknownKind),
        (b"\x08\x03", exception.UnsupportedVersion),
        (b"\x08\x02\x10\x00" + MORE, exception.MalformedDocument),
        (b"\x08\xff", exception.MalformedDocument),
    ],
)
def test_wrong_bytes(data, error):
    """The errors are the errors of the other forms."""
    with pytest.raises(error):
        loads(data)


def test_numbers_beyond_64_bits_are_refused():
    """Numbers beyond 64 bits are refused with the path."""
    wide = make("VIFBridge", network=objects.Network(vlan=2**63))
    with pytest.raises(exception.InvalidValue, match=r"network\.vlan: found a huge number"):
        dumps(wide, form="protobuf")


def test_a_class_of_another_project_is_refused_with_its_path():
    """Classes of other projects have no field numbers, and are refused with the path."""

    class VIFElsewhere(objects.vif.VIFBase):
        fields = {"zone": fields.StringField()}

    for obj, path in (
        (VIFElsewhere(zone="a"), ""),
        (objects.kuryr.PodState(default_vif=VIFElsewhere(zone="a")), "default_vif"),
    ):
        with pytest.raises(exception.UnknownKind, match="VIFElsewhere") as caught:
            dumps(obj, form="protobuf")
        assert caught.value.path == path


def test_values_are_checked():
    """Values are checked as in the other forms, and errors have the path."""
    message = message_codec.message_set().document()
    message.ParseFromString(dumps(vif(), form="protobuf"))
    message.vifopenvswitch.network.subnets.objects.items[0].gateway = "10.0.0.256"
    with pytest.raises(exception.InvalidValue, match=r"network\.subnets\[0\]\.gateway"):
        loads(message.SerializeToString())


def test_null_list_has_the_error_of_a_null_array():
    """The error is the error of a document, in which the array is the list object."""
    message = message_codec.message_set().document(major=2)
    message.subnet.routes.nulls.append(message_types.read_numbers()["RouteList"]["objects"])
    document = '{"apiVersion":"os-vif/2.0","kind":"Subnet","routes":null}'
    errors = []
    for data in (message.SerializeToString(), document):
        with pytest.raises(exception.InvalidValue, match=r"^routes: found null") as caught:
            loads(data)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_validate_returns_every_error():
    """``validate`` returns the errors of values at every depth, and of unknown fields."""
    message = message_codec.message_set().document()
    message.ParseFromString(newer(minor=0))
    inner = message.vifopenvswitch
    inner.address = "x"
    subnets = inner.network.subnets.objects.items
    subnets[0].gateway = subnets[1].cidr = "10.0.0.256"
    subnets[1].dns.items.append("y")
    data = message.SerializeToString()
    assert sorted(error.path for error in validate(data)) == [
        "address",
        "network.protobuf:unknown",
        "network.subnets[0].gateway",
        "network.subnets[0].protobuf:unknown",
        "network.subnets[1].cidr",
        "network.subnets[1].dns[0]",
        "protobuf:unknown",
    ]
    with pytest.raises(exception.SerializationError) as caught:
        loads(data)
    assert caught.value.path == validate(data)[0].path
    assert validate(newer()) == []


def hostile(rounds, seed):
    """Yield mutated protobuf bytes."""
    order = random.Random(seed)  # noqa: S311
    whole = [dumps(make(name), form="protobuf") for name in ALL] + [newer()]
    outcomes = {True: 0, False: 0}
    for _ in range(rounds):
        data = bytearray(order.choice(whole))
        if order.random() < 0.3:
            del data[order.randrange(1, len(data)) :]
        for _ in range(order.randrange(4)):
            data[order.randrange(1, len(data)) if len(data) > 1 else 0] = order.randrange(256)
        data[0] = 8
        try:
            dumps(loads(bytes(data)), form="protobuf")
            outcomes[True] += 1
        except exception.SerializationError as error:
            assert str(error).isprintable()  # noqa: PT017
            outcomes[False] += 1
    return outcomes


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes():
    """Mutated bytes give an object or a SerializationError."""
    assert min(hostile(600, seed=1).values()) > 20


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
def test_many_damaged_bytes():
    hostile(50_000, seed=2)


def protoc():
    """Return the command of the protobuf compiler; skip the test without a compiler."""
    if found := shutil.which("protoc"):
        return [found]
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    pytest.skip("neither protoc (protobuf-compiler) nor grpcio-tools is installed")
    return []


def test_another_program_reads_it(tmp_path):
    """A program with only the ``.proto`` reads the bytes, and writes bytes that are read here."""
    (tmp_path / message_types.MESSAGES).write_text(
        json_schema.read(message_types.MESSAGES), "utf-8"
    )
    arguments = [
        f"-I{tmp_path}",
        f"{{}}={message_types.PACKAGE}.{message_types.DOCUMENT}",
        message_types.MESSAGES,
    ]

    def run(mode, data):
        command = [*protoc(), *(a.format(mode) for a in arguments)]
        done = subprocess.run(command, input=data, capture_output=True, check=True, cwd=tmp_path)
        return done.stdout

    data = dumps(vif(), form="protobuf")
    text = run("--decode", data)
    assert b'vif_name: "tap11111111-11"' in text
    assert b'cidr: "10.0.0.0/24"' in text
    changed = run("--encode", text.replace(b"tap11111111-11", b"tap22222222-22"))
    assert loads(changed).vif_name == "tap22222222-22"
    assert dumps(loads(run("--encode", text))) == dumps(vif())


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"kind": "VIFBridge", "id": "\ud800"}, "id"),
        ({"kind": "VIFBridge", "network": {"label": "a\udfffb"}}, "network.label"),
        (
            {"kind": "Network", "subnets": [{"dhcp_server": "192.0.2.1"}], "label": "\ud800"},
            "label",
        ),
        (
            {
                "kind": "PodState",
                "default_vif": {"kind": "VIFBase"},
                "additional_vifs": {"\ud800": {"kind": "VIFBase"}},
            },
            "additional_vifs",
        ),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_path(document, path):
    """JSON has escapes for a lone surrogate; strings of protobuf are UTF-8."""
    obj = from_document({"apiVersion": "os-vif/2.0"} | document)
    with pytest.raises(exception.InvalidValue) as caught:
        dumps(obj, "protobuf")
    assert caught.value.path == path
    assert "UTF-8" in str(caught.value)
    str(caught.value).encode()
