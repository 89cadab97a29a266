# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Tests of tools.contract and tools.compatibility: published schemas and released readers."""

from __future__ import annotations

import copy
import json
import re

import pytest
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.codec import document
from os_vif.objects import fields
from os_vif.objects.versioning import history
from os_vif.serialization.schema import json_schema
from tests.support.data import released
from tests.support.generated.vocabulary import PARENTS
from tools import compatibility, contract

#: The committed records of releases.
CLASSES = json.loads((contract.RELEASED / "5.3.0.json").read_text("utf-8"))["classes"]
DOCUMENTS = json.loads((contract.RELEASED / "document-2.0.json").read_text("utf-8"))
NEWER = "os-vif/2.1"


@pytest.fixture
def now():
    """Return the present classes as plain data that a test may change."""
    return compatibility.describe_classes(history.vocabulary())


@pytest.fixture
def documents():
    """Return the present schemas as plain data that a test may change."""
    return copy.deepcopy(compatibility.describe_documents(json_schema.generate()))


# Records


def parents(name):
    """Return the ancestors of a class in 5.3.0."""
    found = []
    while name in PARENTS:
        name = PARENTS[name]
        found.append(name)
    return found


def notation(field):
    """Return a recorded field in the notation of the released manifests."""
    text = field["type"]
    if text == "Enum":
        text = f"Enum{tuple(field['values'])}"
    if field.get("nullable"):
        text += " nullable"
    return text + (f" default={field['default']}" if "default" in field else "")


def without_names(text):
    """Return the notation with unnamed, sorted choices."""
    choice = re.match(r"\w+\(('.*')\)", text)
    if choice is None:
        return text
    return f"Enum({', '.join(sorted(choice[1].split(', ')))}){text[choice.end() :]}"


def test_snapshot_of_5_3_0_is_what_5_3_0_had():
    """Versions, parents and fields equal the data extracted from the released package."""
    assert {name: CLASSES[name]["version"] for name in CLASSES} == released.MANIFESTS["5.3.0"]
    for name, found in CLASSES.items():
        assert found["parents"] == parents(name)
        assert {f: notation(found["fields"][f]) for f in found["fields"]} == {
            field: without_names(text) for field, text in released.fields_of(name, "5.3.0").items()
        }


def test_snapshot_of_the_document_is_of_2_0():
    """The record has all kinds of the first document, and VIF."""
    assert DOCUMENTS["apiVersion"] == "os-vif/2.0"
    assert {"VIF", "PodState", *CLASSES} <= {*DOCUMENTS["kinds"]}


def test_nothing_that_was_released_is_broken():
    """The present classes and documents are compatible with all records."""
    assert contract.find_breaking_changes(contract.RELEASED) == []


# Classes


def check_class(old, new, name="Odd"):
    """Compare two versions of a class, each with a version number and fields."""
    classes = [
        {name: type(name, (ovo.VersionedObject,), {"VERSION": version, "fields": declared})}
        for version, declared in (old, new)
    ]
    return compatibility.compare_classes(*map(compatibility.describe_classes, classes))


STRING = ovo_fields.StringField()
MODE = fields.VIFDirectModeField()
VHOST = fields.VIFVHostUserModeField()


class WiderMode(ovo_fields.BaseEnumField):
    AUTO_TYPE = ovo_fields.Enum(valid_values=("vepa", "passthrough", "bridge", "private"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (STRING, None, "Odd.a: the field was removed"),
        (STRING, ovo_fields.IntegerField(), "Odd.a: the type String became Integer"),
        (STRING, MODE, "Odd.a: the type String became Enum"),
        (
            fields.ListOfIPAddressField(),
            ovo_fields.ListOfStringsField(),
            "Odd.a: the type List<IPAddress> became List<String>",
        ),
        (
            ovo_fields.ObjectField("VIFBase", subclasses=True),
            ovo_fields.ObjectField("VIFBase"),
            "Odd.a: the type Object(VIFBase,subclasses) became Object(VIFBase)",
        ),
        (
            ovo_fields.DictOfStringsField(),
            ovo_fields.DictOfNullableStringsField(),
            "Odd.a: the type Dict<String> became Dict<String nullable>",
        ),
        (ovo_fields.StringField(nullable=True), STRING, "Odd.a: null is no longer accepted"),
        (WiderMode(), MODE, "Odd.a: 'private' is no longer accepted"),
        (
            ovo_fields.BooleanField(default=False),
            ovo_fields.BooleanField(default=True),
            "Odd.a: the default False became True",
        ),
        (
            ovo_fields.BooleanField(default=False),
            ovo_fields.BooleanField(),
            "Odd.a: the default False became none",
        ),
        (STRING, ovo_fields.StringField(default="b"), "Odd.a: the default none became b"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_change_of_a_field_that_breaks_a_reader_is_found(old, new, expected, version):
    """A new version does not permit the change."""
    found = check_class(("1.0", {"a": old}), (version, {} if new is None else {"a": new}))
    assert found == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, STRING, "Odd.a: the field was added"),
        (STRING, ovo_fields.StringField(nullable=True), "Odd.a: null is accepted"),
        (MODE, WiderMode(), "Odd.a: 'private' is accepted"),
    ],
)
def test_addition_needs_a_new_version(old, new, expected):
    """With a new version, readers of the old version receive a downgraded object."""
    before = {} if old is None else {"a": old}
    assert check_class(("1.4", before), ("1.5", {"a": new})) == []
    assert check_class(("1.4", before), ("1.4", {"a": new})) == [
        f"{expected}, but Odd is still 1.4"
    ]


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [("1.4", "1.3", True), ("1.4", "2.0", True), ("1.9", "1.10", False), ("1.10", "1.9", True)],
)
def test_version_only_grows_and_keeps_its_first_number(old, new, broken):
    """Readers compare numbers, and refuse another major version."""
    expected = [f"Odd: version {old} became {new}"] if broken else []
    assert check_class((old, {}), (new, {})) == expected


def test_class_that_was_removed_is_found(now):
    """Stored objects of the class would be unreadable."""
    del now["VIFHostDevice"]
    assert compatibility.compare_classes(CLASSES, now) == ["VIFHostDevice: the class was removed"]


def test_class_that_derives_from_another_is_found(now):
    """Fields that declare the parent would refuse the class."""
    now["VIFPortProfileOVSRepresentor"]["parents"].remove("VIFPortProfileOpenVSwitch")
    assert compatibility.compare_classes(CLASSES, now) == [
        "VIFPortProfileOVSRepresentor: the class no longer derives from VIFPortProfileOpenVSwitch"
    ]


def test_field_of_a_parent_needs_a_new_version_of_each_child():
    """Each child inherits the field."""
    classes = dict(history.vocabulary())
    for name, version in (("DatapathOffloadBase", "1.1"), ("DatapathOffloadRepresentor", "1.0")):
        declared = classes[name].fields | {"more": STRING}
        classes[name] = type(name, (classes[name],), {"fields": declared, "VERSION": version})
    assert compatibility.compare_classes(CLASSES, compatibility.describe_classes(classes)) == [
        (
            "DatapathOffloadRepresentor.more: the field was added, but DatapathOffloadRepresentor is "
            "still 1.0"
        )
    ]


def test_new_class_breaks_nobody(now):
    """New data may come in new classes."""
    now["VIFNew"] = copy.deepcopy(now["VIFBridge"])
    assert compatibility.compare_classes(CLASSES, now) == []


# Documents


PROPERTIES = "properties"


def change(data, *path, **more):
    """Change values in plain data; None removes a value."""
    for part in path:
        data = data[part]
    data |= more
    for name in [name for name in more if more[name] is None]:
        del data[name]


def profile(data, kind):
    """Return the definition of a port profile."""
    return data["$defs"][kind]


@pytest.mark.parametrize(
    ("place", "more", "expected"),
    [
        (
            ("kinds", "VIFDirect", PROPERTIES),
            {"vlan_name": None},
            "VIFDirect.vlan_name: the property was removed",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "vlan_name"),
            {"type": "integer"},
            "VIFDirect.vlan_name: the type string became integer",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "address"),
            {"type": "string"},
            "VIFDirect.address: null is no longer accepted",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES),
            {"network": {"$ref": "#/$defs/NetworkWithoutKind"}},
            "VIFDirect.network: null is no longer accepted",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "mode"),
            {"enum": ["vepa", "bridge"]},
            "VIFDirect.mode: 'passthrough' is no longer accepted",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "vlan_name"),
            {"enum": ["vlan1"]},
            "VIFDirect.vlan_name: 'any other string' is no longer accepted",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "vlan_name"),
            {"pattern": "^vlan$"},
            "VIFDirect.vlan_name: the pattern none became ^vlan$",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "address"),
            {"pattern": "^[0-9a-f:]$"},
            (
                "VIFDirect.address: the pattern ^[0-9A-Fa-f]{2}([-:][0-9A-Fa-f]{2}){5}$ became "
                "^[0-9a-f:]$"
            ),
        ),
        (
            ("kinds", "VIFDirect"),
            {"required": ["apiVersion", "id", "kind"]},
            "VIFDirect.id: the property is required now",
        ),
        (("kinds",), {"HostInfo": None}, "HostInfo: the kind was removed"),
        (
            ("kinds", "PodState", PROPERTIES, "additional_vifs"),
            {"additionalProperties": False},
            "PodState.additional_vifs.*: the property was removed",
        ),
        (
            ("kinds", "PodState", PROPERTIES, "additional_vifs", "additionalProperties"),
            {"$ref": "#/$defs/FixedIPListWithoutKind"},
            "PodState.additional_vifs.*: the type object became array",
        ),
        (
            ("kinds", "HostInfo", PROPERTIES, "plugin_info", "items"),
            {"$ref": "#/$defs/FixedIPListWithoutKind"},
            "HostInfo.plugin_info[]: the type object became array",
        ),
    ],
)
@pytest.mark.parametrize("version", ["os-vif/2.0", NEWER])
def test_change_of_a_document_that_breaks_a_reader_is_found(
    documents, place, more, expected, version
):
    """A new minor version does not permit the change."""
    documents["apiVersion"] = version
    change(documents, *place, **more)
    assert compatibility.compare_documents(DOCUMENTS, documents) == [expected]


@pytest.mark.parametrize(
    ("place", "more", "expected"),
    [
        (
            ("kinds", "VIFDirect", PROPERTIES),
            {"more": {"type": "string"}},
            "VIFDirect.more: the property was added",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "vlan_name"),
            {"type": ["string", "null"]},
            "VIFDirect.vlan_name: null is accepted",
        ),
        (
            ("kinds", "VIFDirect", PROPERTIES, "mode"),
            {"enum": ["vepa", "bridge", "passthrough", "private"]},
            "VIFDirect.mode: 'private' is accepted",
        ),
        (
            ("kinds", "VIFHostDevice", PROPERTIES, "dev_type"),
            {"enum": None},
            "VIFHostDevice.dev_type: 'any other string' is accepted",
        ),
        (
            ("kinds", "VIFPortProfileFPTap", PROPERTIES, "mac_address"),
            {"pattern": None},
            (
                "VIFPortProfileFPTap.mac_address: values that do not match "
                "^[0-9A-Fa-f]{2}([-:][0-9A-Fa-f]{2}){5}$ are accepted"
            ),
        ),
        (("kinds",), {"VIFNew": {}}, "VIFNew: the kind was added"),
    ],
)
def test_addition_to_a_document_needs_a_new_minor_version(documents, place, more, expected):
    """A reader of the old minor version would refuse the document."""
    change(documents, *place, **more)
    assert compatibility.compare_documents(DOCUMENTS, documents) == [
        f"{expected}, but the document is still os-vif/2.0"
    ]
    documents["apiVersion"] = NEWER
    assert compatibility.compare_documents(DOCUMENTS, documents) == []


def test_change_deep_inside_is_found_at_its_place(documents):
    """The path of the change leads through arrays, open types and references."""
    documents["kinds"] = {"VIFBridge": documents["kinds"]["VIFBridge"]}
    before = copy.deepcopy(documents)
    change(documents, "$defs", "SubnetWithoutKind", PROPERTIES, gateway=None)
    change(
        documents,
        "$defs",
        "SubnetWithoutKind",
        PROPERTIES,
        dns={"type": "array", "items": {"type": "null"}},
    )
    del profile(documents, "VIFPortProfileFPTap")[PROPERTIES]["mac_address"]
    assert sorted(compatibility.compare_documents(before, documents)) == [
        "VIFBridge.network.subnets[].dns[]: the type string became null",
        "VIFBridge.network.subnets[].gateway: the property was removed",
        "VIFBridge.port_profile(VIFPortProfileFPTap).mac_address: the property was removed",
    ]


def test_kind_that_is_called_otherwise_is_found(documents):
    """Documents with the old name are refused; documents with the new name were refused before."""
    documents["kinds"]["HostInfo"][PROPERTIES]["kind"] = {"const": "Host"}
    assert compatibility.compare_documents(DOCUMENTS, documents) == [
        "HostInfo.kind: 'HostInfo' is no longer accepted",
        "HostInfo.kind: 'Host' is accepted, but the document is still os-vif/2.0",
    ]


def test_kind_that_may_not_stand_somewhere_any_more_is_found(documents):
    """A removed kind and an added kind are reported."""
    documents["kinds"] = {"VIFBridge": documents["kinds"]["VIFBridge"]}
    before = copy.deepcopy(documents)
    choice = documents["$defs"]["AnyVIFPortProfileBase"]
    choice["allOf"] = [b for b in choice["allOf"] if "FPTap" not in b["then"]["$ref"]]
    assert compatibility.compare_documents(before, documents) == [
        "VIFBridge.port_profile: the kind VIFPortProfileFPTap is no longer accepted"
    ]
    assert compatibility.compare_documents(documents, before) == [
        (
            "VIFBridge.port_profile: the kind VIFPortProfileFPTap is accepted, but the document is still "
            "os-vif/2.0"
        )
    ]


def test_type_of_somebody_else_is_any_type(documents):
    """A type for a field without a type narrows the field."""
    before = copy.deepcopy(documents)
    change(before, "kinds", "VIFDirect", PROPERTIES, vlan_name={})
    assert compatibility.compare_documents(before, documents) == [
        (
            "VIFDirect.vlan_name: the type array or boolean or integer or null or number or object or "
            "string became string"
        )
    ]
    assert len(compatibility.compare_documents(documents, before)) == 1


def test_titles_and_descriptions_are_free(documents):
    """Titles and descriptions do not affect validation."""
    documents["kinds"]["VIFBridge"] |= {"title": "Bridge", "description": "Another one."}
    assert compatibility.compare_documents(DOCUMENTS, documents) == []


# Files


def test_committed_files_are_the_generated_ones():
    """The committed files equal the generated files, byte by byte."""
    assert contract.find_stale_files(contract.ROOT / json_schema.FOLDER) == []


def test_files_that_differ_are_named(tmp_path):
    """A missing file, an additional file and an edited file are reported."""
    contract.write(tmp_path)
    assert contract.find_stale_files(tmp_path) == []
    (tmp_path / "os-vif.json").unlink()
    (tmp_path / "VIFBrigde.json").write_text("{}", "utf-8")
    (tmp_path / "openapi.json").write_text("{}", "utf-8")
    assert contract.find_stale_files(tmp_path) == [
        "os-vif.json: the file is missing",
        "VIFBrigde.json: the file is not generated",
        "openapi.json: the file differs from the generated file",
    ]
    contract.write(tmp_path)
    assert contract.find_stale_files(tmp_path) == []


def test_what_is_broken_is_said_with_the_release(tmp_path, monkeypatch):
    """Each record is compared, except records of another major version."""
    contract.record_release(tmp_path)
    assert contract.find_breaking_changes(tmp_path) == []
    monkeypatch.setattr(history, "_classes", dict(history.vocabulary()))
    del history._classes["HostInfo"]
    assert contract.find_breaking_changes(tmp_path) == [
        "against 6.0.0: HostInfo: the class was removed",
        "against document-2.0: HostInfo: the kind was removed",
        "against protobuf-2.0: Document.HostInfo: the field was removed",
        "against protobuf-2.0: HostInfo.nulls: the field was removed",
        "against protobuf-2.0: HostInfo.plugin_info: the field was removed",
        "against protobuf-2.0: ListOfHostPluginInfo.items: the field was removed",
    ]
    (tmp_path / "6.0.0.json").unlink()
    old = json.loads((tmp_path / "document-2.0.json").read_text("utf-8"))
    (tmp_path / "document-2.0.json").write_text(
        json.dumps(old | {"apiVersion": "os-vif/1.0"}), "utf-8"
    )
    messages = json.loads((tmp_path / "protobuf-2.0.json").read_text("utf-8"))
    (tmp_path / "protobuf-2.0.json").write_text(
        json.dumps(messages | {"package": "os_vif.v1"}), "utf-8"
    )
    assert contract.find_breaking_changes(tmp_path) == []


def test_check_fails_and_says_why(tmp_path, monkeypatch, capsys):
    """The check fails for missing files, and passes for the files of --write."""
    monkeypatch.setattr(contract, "ROOT", tmp_path)
    monkeypatch.setattr(contract, "RELEASED", tmp_path / "released")
    (tmp_path / "released").mkdir()
    assert contract.main([]) == 1
    assert "os-vif.json: the file is missing\n" in capsys.readouterr().out
    assert contract.main(["--write", "--release"]) == 0
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in (tmp_path / "released").iterdir()) == [
        "6.0.0.json",
        "document-2.0.json",
        "protobuf-2.0.json",
    ]


def test_check_passes_as_it_is_committed(capsys):
    """The check of the lint step passes."""
    assert contract.main([]) == 0
    assert capsys.readouterr().out == ""


def test_files_stand_in_the_folder_of_their_version():
    """The next minor version will have a separate folder."""
    assert f"data/{document.API_VERSION.rpartition('/')[2]}" == json_schema.FOLDER
