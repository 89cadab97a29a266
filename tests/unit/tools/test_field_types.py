# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""python -m tools.field_types keeps the types of the classes equal to the fields."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from os_vif import objects
from os_vif.cmd.author import class_bodies
from os_vif.codec.field_comments import sentence_of
from os_vif.objects.versioning import history
from os_vif.serialization.schema import json_schema
from tools import field_types

HEAD = '''"""A module."""

from __future__ import annotations

from oslo_versionedobjects import fields

from os_vif.objects import base

'''


def test_committed_types_agree_with_the_fields(capsys):
    """The committed modules are the generated modules, and each field has a sentence."""
    assert field_types.main([]) == 0, capsys.readouterr().out


@pytest.fixture
def module(tmp_path) -> Path:
    """A module with a class of the vocabulary, without types."""
    path = tmp_path / "subnet.py"
    declared = Path(objects.subnet.__file__).read_text("utf-8")
    path.write_text(class_bodies.without_generated(declared), "utf-8")
    return path


CLASSES = [objects.Subnet, objects.SubnetList]


def test_types_are_generated_for_a_class_without_types(module):
    """The module receives the blocks and the imports, and is the committed module then."""
    assert "netaddr" not in module.read_text("utf-8")
    generated = class_bodies.generate(module, CLASSES, field_types.COMMAND)
    assert generated == Path(objects.subnet.__file__).read_text("utf-8")


def test_generation_is_idempotent(module):
    """The generated module is generated again from itself."""
    module.write_text(once := class_bodies.generate(module, CLASSES, field_types.COMMAND), "utf-8")
    assert class_bodies.generate(module, CLASSES, field_types.COMMAND) == once


@pytest.mark.parametrize("standard", ["", "import copy\n\n", "from typing import Any\n\n"])
def test_import_of_type_checking_is_added(tmp_path, standard):
    """A module without TYPE_CHECKING receives the import, in the place of its other imports."""
    path = tmp_path / "instance_info.py"
    head = HEAD.replace("from oslo_v", f"{standard}from oslo_v")
    path.write_text(
        f"{head}\nclass InstanceInfo(base.VersionedObject):\n    fields = {{\n        #: X.\n"
        '        "uuid": fields.UUIDField(),\n    }\n',
        "utf-8",
    )
    generated = class_bodies.generate(path, [objects.InstanceInfo])
    (bound,) = (
        node
        for node in ast.parse(generated).body
        if isinstance(node, ast.ImportFrom) and node.module == "typing"
    )
    assert bound.names[0].name == "TYPE_CHECKING"
    assert "\n        uuid: str\n" in generated
    path.write_text(generated, "utf-8")
    assert class_bodies.generate(path, [objects.InstanceInfo]) == generated


def test_sentence_is_the_same_in_all_places():
    """The types, the schema and the messages have the sentence above the field."""
    sentence = sentence_of(objects.VIFBridge, "has_traffic_filtering")
    assert sentence == "True if another service filters the traffic of the port."
    assert f'"""{sentence}"""' in Path(objects.vif.__file__).read_text("utf-8")
    properties = json_schema.load("VIFBridge")["properties"]
    assert properties["has_traffic_filtering"]["description"] == sentence
    messages = json_schema.read("os_vif.proto")
    assert f"  // {sentence}\n  optional bool has_traffic_filtering" in messages


def test_every_field_has_one_sentence():
    """A field without a sentence is named."""
    assert field_types.find_fields_without_sentence() == []
    assert all(sentence_of(c, n) for c in history.vocabulary().values() for n in c.fields)
