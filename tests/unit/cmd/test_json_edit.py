# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A value in JSON text is replaced, and all other characters stay unchanged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif.cmd.store import json_edit
from tests.support.generated.json_texts import VALUES
from tests.support.generated.json_texts import json_text as texts


def paths(value, keys=()):
    """Return the path of every value in a value."""
    yield keys
    if isinstance(value, (dict, list)):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            yield from paths(item, (*keys, key))


@given(VALUES, st.data())
def test_another_value_at_any_path(value, data):
    text = data.draw(texts(value))
    keys = data.draw(st.sampled_from(sorted(paths(value), key=repr)))
    start, end = json_edit.Index(text).find(keys)
    inner = value
    for key in keys:
        inner = inner[key]
    assert json.loads(text[start:end]) == inner
    replaced = json_edit.replace(text, [(keys, {"new": [1]})])
    assert replaced.startswith(text[:start])
    assert replaced.endswith(text[end:])
    assert json.loads(replaced[start : len(replaced) - len(text[end:])]) == {"new": [1]}


@given(VALUES, VALUES, st.sampled_from([None, 1, 4, "\t"]))
def test_the_layout_stays(value, other, indent):
    """A value on several lines is replaced by lines with the same indentation."""
    data = {"metadata": {"name": "x"}, "status": {"vifs": [{"vif": {"a": value}}], "more": 1}}
    keys = ("status", "vifs", 0, "vif")
    separators = (",", ":") if indent is None else None
    dump = lambda found: json.dumps(found, indent=indent, separators=separators)  # noqa: E731
    text = dump(data)
    data["status"]["vifs"][0]["vif"] = {"b": other}
    assert json_edit.replace(text, [(keys, {"b": other})]) == dump(data)


def test_numbers_and_escapes_around_it_stay_as_they_are():
    """Numbers and escapes around the value are unchanged, since readers may differ."""
    text = '{"a":1.10e+2,"b":"\\u003c\\/","vif":{},"c":12345678901234567890123.0,"d":-0}'
    assert json_edit.replace(text, [(("vif",), 5)]) == text.replace("{}", "5")


def test_carriage_returns_stay():
    text = '{\r\n  "vif": {\r\n    "a": 1\r\n  }\r\n}'
    assert json_edit.replace(text, [(("vif",), {"b": [2]})]) == (
        '{\r\n  "vif": {\r\n    "b": [\r\n      2\r\n    ]\r\n  }\r\n}'
    )


@pytest.mark.parametrize("keys", [("a", "x"), ("a", 5), ("a", 0, "b", "c")])
def test_what_is_not_there_is_found_at_what_is_around_it(keys):
    text = '{"a": [{"b": 1}]}'
    start, end = json_edit.Index(text).find(keys)
    assert text[start:end] in {'[{"b": 1}]', "1"}
