# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""YAML in and out: the types of JSON, the lines of the YAML, and errors with a place."""

from __future__ import annotations

import io
import itertools
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from os_vif import exception, serialization
from os_vif.serialization import json_text, yaml_text
from tests.support.strategies import ALL, any_objects

#: Texts that readers of YAML 1.1 or 1.2 take for another type if the quotes are missing.
TEXTS = [
    "no", "No", "yes", "on", "off", "y", "n", "Y", "N", "true", "True", "TRUE", "false", "null",
    "NULL", "Null", "~", "", "1e3", "1E3", "1e+3", "-1e3", ".5", "5.", "+1", "1_000", "0x10", "0o17",
    "0b1", "010", "1.50", "-0", ".inf", "-.INF", ".nan", "2020-01-01", "2020-01-01T00:00:00Z",
    "52:54:00:12:34:56", "190:20:30", "=", "<<", "- a", "-", "---", "...", "# x", "a: b", "a #b", " a ",
    "\n", "a\nb\n", "\t", "\x07", "\x85", "\u2028", "\ufeff", "é", "😀", "*a", "&a", "!a", "%a", "@a",
    "`a", "{", "[", "'", '"', "|", ">", "?", ":", "0", "-1", "1.0", "12e03",
]  # fmt: skip

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TEXTS)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=9), inner
        )
    ),
    max_leaves=20,
)


def read(text: str | bytes) -> list:
    """Return the documents of YAML, read through JSON."""
    data = text if isinstance(text, bytes) else text.encode()
    parts = [""]
    for piece in yaml_text.json_pieces(io.BytesIO(data).read1):
        if piece:
            parts[-1] += piece
        else:
            parts.append("")
    return [json_text.parse(part) for part in parts if part.strip()]


@settings(deadline=None, max_examples=150)
@given(st.lists(JSON, min_size=1, max_size=4))
def test_json_data_is_read_back_equal_and_of_the_same_types(values):
    (found,) = read(yaml_text.compose(values))
    assert json.dumps(found) == json.dumps(values)


@settings(deadline=None, max_examples=150)
@given(any_objects(ALL))
def test_any_object_is_read_back_equal(obj):
    try:
        text = serialization.dumps(obj)
    except exception.InvalidValue:
        return
    (found,) = read(yaml_text.compose_document(json.loads(text)))
    assert json_text.compose(found) == text


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_is_a_text_for_readers_of_yaml_1_1_too(text):
    written = yaml_text.compose({"value": text, text: ["value", text]})
    assert yaml.safe_load(written) == {"value": text, text: ["value", text]}
    if text.isalnum() and text not in ("é", "😀"):
        assert f"value: '{text}'\n" in written


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None), ("~", None), ("", None), ("true", True), ("false", False), ("7", 7),
        ("-0.5e+3", -500.0), ("no", "no"), ("True", "True"), ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("2020-01-01", "2020-01-01"), ("0x10", "0x10"), ("010", "010"), ("1_000", "1_000"),
        ("+1", "+1"), (".5", ".5"), ("1.", "1."), (".nan", ".nan"), ("'7'", "7"), ('"true"', "true"),
        ("!!str 7", "7"), ("! 7", "7"), ("|\n  a\n  b\n", "a\nb\n"), ("&anchor a", "a"),
        ("[a, {b: c}]", ["a", {"b": "c"}]), ("!!map {}", {}), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_have_the_types_of_json(value, expected):
    ((found,),) = ([*document.values()] for document in read(f"key: {value}"))
    assert found == expected
    assert type(found) is type(expected)


def test_an_annotation_in_a_block_keeps_its_text():
    text = 'metadata:\n  annotations:\n    a: |-\n      {"b": 1,\n       "c": 2}\n    d: e\n'
    annotations = read(text)[0]["metadata"]["annotations"]
    assert annotations == {"a": '{"b": 1,\n "c": 2}', "d": "e"}


@pytest.mark.parametrize(
    ("text", "place", "path", "found"),
    [
        ("a: &b [1]\nc:\n  - x\n  - d: *b\n", (4, 8), "c[1].d", "the alias *b"),
        ("a: !!binary eA==", (1, 4), "a", "the tag '!!binary'"),
        ("a: !!timestamp 2020-01-01", (1, 4), "a", "the tag '!!timestamp'"),
        ("a: !!int 3", (1, 4), "a", "the tag '!!int'"),
        ("a: !local {}", (1, 4), "a", "the tag '!local'"),
        ("a: !!set {x}", (1, 4), "a", "the tag '!!set'"),
        ("a:\n  1: x", (2, 3), "a", "the key 1"),
        ("a:\n  ~: x", (2, 3), "a", "the key null"),
        ("? [a]\n: b", (1, 3), "", "a mapping or list as key"),
        ("--- text", (1, 5), "", "'text'"),
        ("a:\n  b: [\n", (3, 1), "a.b[0]", "invalid YAML"),
        ("a: b\n c: d", (2, 3), "", "invalid YAML"),
        ("a: 'b", (1, 7), "a", "invalid YAML"),
        (b"a: \xff", (0, 0), "", "invalid YAML"),
        ("a: \x07", (0, 0), "", "invalid YAML"),
    ],
)
def test_an_error_has_line_column_and_path(text, place, path, found):
    with pytest.raises(yaml_text.YAMLSyntaxError) as caught:
        read(text)
    error = caught.value
    assert error.found.startswith(found)
    assert error.expected
    if found != "invalid YAML":
        assert (error.line, error.column, error.path) == (*place, path)
    elif place[0]:
        # The two parsers of PyYAML differ in the column.
        assert error.line in (place[0], place[0] - 1)


def test_a_bomb_of_aliases_is_refused_at_the_first_alias():
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(yaml_text.YAMLSyntaxError) as caught:
        read("\n".join(lines))
    assert (caught.value.line, caught.value.path) == (2, "a1[0]")


def test_a_repeated_name_is_refused_with_its_path():
    with pytest.raises(exception.MalformedDocument) as caught:
        read("a:\n- b: 1\n  c: 2\n  b: 3\n")
    assert (caught.value.path, caught.value.found) == (
        "a[0].b",
        "the name 'b' occurs twice in an object",
    )


def test_values_are_on_the_lines_of_the_yaml():
    text = "# first\na: 1\n\nb:\n  - c: |\n      two\n      lines\n    d: [x,\n        y]\n---\ne: f\n"
    written = "".join(yaml_text.json_pieces(io.BytesIO(text.encode()).read1)).split("\n")
    for line, value in ((2, '"a":1'), (5, '"c":"two'), (8, '"x"'), (9, '"y"'), (11, '"e":"f"')):
        assert value in written[line - 1]


def test_documents_are_read_one_by_one():
    """The documents of an endless input are available before its end."""
    lines = iter(itertools.cycle([b"---\nkind: Pod\nitems:\n- a: b\n"]))
    pieces = yaml_text.json_pieces(lambda _: next(lines))
    ends = (piece for piece in pieces if not piece)
    assert sum(1 for _ in itertools.islice(ends, 2000)) == 2000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object()])
def test_data_that_yaml_cannot_express_is_refused(value):
    with pytest.raises(exception.InvalidValue):
        yaml_text.compose({"a": value})


def test_the_parser_in_python_reads_the_same(monkeypatch):
    """PyYAML without libyaml."""
    text = "a: [1, 'x']\nb:\n  c: ~\n---\nd: no\n"
    expected = read(text)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert read(text) == expected
