# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names that occur twice in an object of JSON text."""

from __future__ import annotations

import pytest

from os_vif import exception
from os_vif.serialization import loads, storage, validate

REPEATED = [
    ('{"a": 1, "b": 2, "a": 3}', ["a"]),
    ('{"b": [{"c": 1, "c": 1, "d": 2, "d": 2}, {"c": 1, "c": {"e": 1, "e": 2}}], "b": 1}', [
        "b", "b[0].c", "b[0].d", "b[1].c", "b[1].c.e"
    ]),
    ('{"versioned_object.name": "L", "versioned_object.data": {"objects": [5, {"a": 1, "a": 2}]}}', [
        "[1].a"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "paths"), REPEATED)
def test_every_name_that_occurs_twice_has_its_path(text, paths):
    """A single read names the first."""
    errors = validate(text)
    assert [error.path for error in errors] == paths
    with pytest.raises(exception.MalformedDocument) as caught:
        loads(text)
    name = paths[0].rpartition(".")[2]
    assert (
        str(caught.value)
        == str(errors[0])
        == (
            f"{paths[0]}: found the name {name!r} occurs twice in an object; expected each name once."
        )
    )


def test_a_name_twice_beside_invalid_json_is_still_refused():
    """The object with the name is complete; its path is unknown."""
    with pytest.raises(
        exception.MalformedDocument, match=r"^The document: found the name 'a' occurs twice in an"
    ):
        loads('[{"a": 1, "a": 2}, NaN')


def test_a_name_twice_in_the_annotation_of_a_pod():
    """All repeated names are reported, below the path of the annotation."""
    key = "openstack.org/kuryr-vif"
    errors = storage.validate({key: '{"a": 1, "a": 2, "b": {"c": 1, "c": 2}}'})
    assert [error.path for error in errors] == [f"[{key!r}].a", f"[{key!r}].b.c"]
