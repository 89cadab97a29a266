# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Input of any length is split into its objects, for any sizes of the chunks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from os_vif.cmd.store import json_scanner, json_splitter
from tests.support.generated.json_texts import SPACE, TEXTS, VALUES, in_chunks, json_text

MARK = b"\xef\xbb\xbf"
#: Objects without ``items``, which are no Kubernetes lists.
OBJECTS = st.dictionaries(TEXTS.filter(lambda name: name != "items"), VALUES, max_size=3)


def split(data: bytes, seed: int | None = None) -> list[json_scanner.Chunk]:
    return [*json_splitter.split_chunks(in_chunks(data, seed))]


def found(data: bytes, seed: int | None = None) -> list[tuple[int, bytes]]:
    """Return the objects with the line numbers."""
    return [(chunk.line, chunk.data) for chunk in split(data, seed) if chunk.is_object]


@st.composite
def lists(draw):
    """Return the text of a Kubernetes list, and the items."""
    items = draw(st.lists(OBJECTS, max_size=4))
    around = draw(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata"]), VALUES))
    names = draw(st.permutations([*around, "items"]))
    whole = {name: items if name == "items" else around[name] for name in names}
    return draw(json_text(whole)), items


@given(st.lists(OBJECTS, min_size=1, max_size=5), st.data(), st.integers())
def test_objects_one_after_the_other(objects, data, seed):
    """Consecutive objects are found whole with the line number, with and without line feeds."""
    texts = [data.draw(json_text(o)) for o in objects]
    whole = "".join(data.draw(SPACE) + text for text in texts).encode()
    chunks = split(whole, seed)
    assert [json.loads(chunk.data) for chunk in chunks if chunk.is_object] == objects
    assert b"".join(chunk.data for chunk in chunks) == whole
    done = b""
    for chunk in chunks:
        assert chunk.line == 1 + done.count(b"\n")
        done += chunk.data


@given(lists(), st.integers())
def test_a_list_of_kubernetes(listing, seed):
    """The items of a Kubernetes list are found, for any order of the names around the items."""
    text, items = listing
    chunks = split(text.encode(), seed)
    assert [json.loads(chunk.data) for chunk in chunks if chunk.is_object] == items
    assert b"".join(chunk.data for chunk in chunks) == text.encode()


@given(st.lists(st.sampled_from([*'{}[]",:\\\n a1\ufeff'])).map("".join), st.integers())
def test_any_text_at_all(text, seed):
    """Any text is returned unchanged or refused, with the same result for all sizes of chunks."""
    data = text.encode()
    told = []
    for how in (seed, None):
        try:
            told.append(split(data, how))
        except json_scanner.StructureError as error:
            told.append((error.line, str(error)))
    assert told[0] == told[1]
    if isinstance(told[0], tuple):
        assert 1 <= told[0][0] <= 1 + data.count(b"\n")
    else:
        joined = b"".join(chunk.data for chunk in told[0])
        assert joined.replace(MARK, b"") == data.replace(MARK, b"")


def test_lists_on_a_line_each_and_arrays():
    """Lists on one line each are split, as printed by ``jq -c``."""
    data = b'{"items":[{"a":1},{"b":2}]}\n{"items":[]}\n[{"c":3},\n{"d":4}]\n{"e":5}'
    assert found(data) == [
        (1, b'{"a":1}'),
        (1, b'{"b":2}'),
        (3, b'{"c":3}'),
        (4, b'{"d":4}'),
        (5, b'{"e":5}'),
    ]


def test_a_document_of_a_newer_version_is_no_list():
    """A document of a newer version is a single object, for all names of its fields."""
    data = b'{"apiVersion": "os-vif/2.9", "kind": "VIFBridge", "items": [{"a": 1}]}'
    assert found(data, 1) == [(1, data)]
    with_schema = data.replace(b"{", b'{"$schema": "./VIF.json", ', 1)
    assert found(with_schema, 1) == [(1, with_schema)]


@pytest.mark.parametrize(
    "line", [b'{"a": {"b": 1}', b'{"a: 1}', b'{"a": [}', b"}", b"oops", b'{"a": [', b'{"a":1}}']
)
def test_a_broken_line_does_not_spoil_the_others(line):
    """A truncated line does not affect the object on the next line."""
    data = b'{"a":1}\n' + line + b'\n{"b":2}\n{"c":3}\n'
    for seed in (None, 1, 2):
        objects = found(data, seed)
        assert objects[0] == (1, b'{"a":1}')
        assert objects[-2:] == [(3, b'{"b":2}'), (4, b'{"c":3}')]
        assert b"".join(chunk.data for chunk in split(data, seed)) == data


def test_a_byte_order_mark_after_a_broken_line_begins_an_object():
    """The mark may be split between two reads."""
    data = b'{"a": 1}x\n\xef\xbb\xbf{"b":2}\n{"c":3}'
    for seed in range(50):
        assert found(data, seed)[-2:] == [(2, b'{"b":2}'), (3, b'{"c":3}')]


def test_a_broken_object_between_others_on_many_lines():
    """After a broken object, the next object begins at the beginning of a line."""
    good = json.dumps({"a": {"b": [1, 2]}}, indent=2).encode()
    bad = good.replace(b"]", b"")
    objects = found(b"\n".join([good, bad, good]))
    assert [line for line, _ in objects] == [1, 9, 17]
    assert objects[2][1] == good


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"", 1, "the input is empty"),
        (b" \n\n", 1, "the input is empty"),
        (b"apiVersion: v1\n", 1, "begins with 'apiVersion: v1'"),
        ('{"a": 1}'.encode("utf-16"), 1, "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), 1, "UTF-16"),
        ('{"a": 1}'.encode("utf-32-be"), 1, "UTF-16 or UTF-32"),
        (b'{"items": [\n{"a":1}\n{"b":1}]}', 3, "expected a comma"),
        (b'{"items": [\n{"a":1},\n]}', 3, "expected an object"),
        (b'{"items": [\n{"a":1}', 2, "found the end"),
        (b'{"items": [\n{"a":1}\n]\n', 4, "ends before the closing bracket"),
        (b'{"items": [\n{"a":[1}]}]}', 2, "for another bracket"),
        (b'{"items": [\n{"a":"x\n"}]}', 2, "string that is not closed"),
        (b'{"items": [\n{"a":1}],}', 1, "around the list"),
        (b'{"items": [\n{"a":1}], "items": []}', 1, "'items' occurs twice"),
    ],
)
def test_what_cannot_be_split_is_refused_with_its_line(data, line, words):
    for seed in (None, 1):
        with pytest.raises(json_scanner.StructureError) as info:
            split(data, seed)
        assert (info.value.line, words in str(info.value)) == (line, True), str(info.value)


def test_a_byte_order_mark_is_left_out():
    assert found(b'\xef\xbb\xbf{"a":1}\r\n{"b":1}\r\n') == [(1, b'{"a":1}'), (2, b'{"b":1}')]
    assert split(b'\xef\xbb\xbf{"a":1}')[0].data == b'{"a":1}'


def test_what_begins_as_no_text_does_is_one_object():
    """Input that does not begin as text is a single object, such as protobuf."""
    data = b"\x8e\x01{}[]\n\x00"
    assert split(data, 1) == [json_scanner.Chunk(data, 1, is_object=True)]


def test_an_object_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(json_scanner, "MAX_OBJECT_BYTES", 2**20)
    read = 0

    def more(size: int) -> bytes:
        nonlocal read
        read += size
        return b'{"a": "' if read == size else b"x" * size

    with pytest.raises(json_scanner.StructureError, match="more than 1 MiB"):
        [*json_splitter.split_chunks(more)]
    assert read < 2**22


def test_hostile_nesting_takes_no_time():
    """Splitting takes linear time if every line begins a nested object."""
    data = b'{"a":[\n' * 20_000
    assert b"".join(data for _, data in found(data)) == data
