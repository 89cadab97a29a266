# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The language of docstrings and comments: the check itself, and the files of the project."""

from __future__ import annotations

import pytest

from tools import prose
from tools.prose import Measure

LISTED = {"a.py": Measure(12.0, 3), "b.py": Measure(9.0, 0)}


def function(docstring: str, decorator: str = "") -> str:
    """Return the source of a function with a docstring."""
    return f'{decorator}\ndef f():\n    """{docstring}"""\n'


def test_the_project_is_found() -> None:
    found = prose.measured_files().keys()
    assert {"os_vif/plugin.py", "tools/prose.py", "testbed/ovs.py", "tests/limits.py"} <= found
    assert not [name for name in found if "/test_" in name]


@pytest.mark.parametrize(
    "docstring",
    ["Return the bridge of a port, or None.", "Wait.", "Raise OSError if a link is missing."],
)
def test_a_function_may_begin_with_a_verb(docstring: str) -> None:
    assert prose.measure(function(docstring)) == Measure(0, 0)


@pytest.mark.parametrize(
    "docstring",
    [
        "The bridge of a port.",
        "What a call returns.",
        "Whether the bridge exists.",
        "Whatever is set.",
        "One of them.",
        "Also return it.",
        "As in the kernel.",
        "For a port.",
        "How to go on.",
        ":returns: the bridge.",
        ":raises OSError: if it is missing.",
        "``name``, escaped.",
        "",
    ],
)
def test_a_function_begins_with_a_verb_only(docstring: str) -> None:
    assert prose.measure(function(docstring)).first_words == 1


def test_a_property_may_begin_with_a_noun() -> None:
    assert prose.measure(function("The name.", "@property")).first_words == 0
    assert prose.measure(function("The name.", "@functools.cached_property")).first_words == 0
    assert prose.measure(function("Whether it is up.", "@property")).first_words == 1


@pytest.mark.parametrize("first", ["A bridge of that name exists.", "State of a port."])
def test_a_class_may_begin_with_a_noun(first: str) -> None:
    assert prose.measure(f'class A:\n    """{first}"""\n').first_words == 0


@pytest.mark.parametrize("first", ["What is read.", "One row.", ":param a: b"])
def test_a_class_and_a_module_must_not_begin_with_a_pronoun(first: str) -> None:
    assert prose.measure(f'class A:\n    """{first}"""\n').first_words == 1
    assert prose.measure(f'"""{first}"""\n').first_words == 1


def test_vague_words_are_counted_in_docstrings_and_in_comments() -> None:
    docstring = function("Return " + "name " * 37 + "that it")
    assert prose.measure(docstring).vague == 5.0
    assert prose.measure(docstring + "# " + "it " * 10).vague == 24.0
    # A good comment does not hide a bad docstring.
    assert prose.measure(docstring + "# " + "name " * 100).vague == 5.0


def test_a_short_text_is_measured_as_thirty_words() -> None:
    assert prose.measure(function("Return it.")).vague == 3.3


@pytest.mark.parametrize(
    "code",
    [
        "``that it``",
        "``that\n    it``",
        ":func:`that.it`",
        "`that <it>`_",
        "*that*",
        "https://that.it/one",
        "\n\n    >>> that(it)\n    name",
        "an example::\n\n        that = it\n\n        one = it\n\n    Name.",
        "\n\n    :param it: the name.\n    :param str that: the name.\n    :raises that: always.",
    ],
)
def test_code_is_not_counted(code: str) -> None:
    assert prose.measure(function(f"Return {code}")).vague == 0


def test_text_after_a_literal_block_is_counted() -> None:
    text = "Return it::\n\n        that = it\n\n    That is it.\n"
    assert [found.line for found in prose.vague_words(function(text))] == [3, 7, 7]


@pytest.mark.parametrize(
    "comment",
    [
        "# SPDX-FileCopyrightText: it",
        "#!/usr/bin/that it",
        "x = 1  # noqa: E501",
        "x = 1  # type: ignore[it]",
    ],
)
def test_instructions_to_tools_are_not_counted(comment: str) -> None:
    assert prose.measure(comment + "\n").vague == 0


def test_the_reason_of_a_noqa_is_counted() -> None:
    assert prose.measure("x = 1  # noqa: BLE001 - it is logged\n").vague == 3.3


def test_findings_name_the_line() -> None:
    source = "x = 1\n" + function("Return a\n    name that is set.")
    assert prose.vague_words(source) == [prose.Finding(5, "that")]
    source = "x = 1\n" + function("The name.")
    assert prose.first_words(source) == [prose.Finding(3, "The name.")]


def test_a_listed_file_may_not_rise() -> None:
    assert prose.problems(LISTED, LISTED) == []
    assert len(prose.problems({"a.py": Measure(12.1, 3)}, {"a.py": LISTED["a.py"]})) == 1
    assert len(prose.problems({"a.py": Measure(12.0, 4)}, {"a.py": LISTED["a.py"]})) == 1
    assert prose.problems({"a.py": Measure(6.0, 0)}, {"a.py": LISTED["a.py"]}) == []


def test_a_file_that_is_not_listed_has_the_limits() -> None:
    assert prose.problems({"c.py": Measure(5.0, 0)}, {}) == []
    (line,) = prose.problems({"c.py": Measure(5.1, 0)}, {})
    assert line.startswith("c.py: 5.1 vague words per 100 (at most 5.0)")
    assert len(prose.problems({"c.py": Measure(0.0, 1)}, {})) == 1


def test_a_listed_file_that_is_gone_is_named() -> None:
    (line,) = prose.problems({"a.py": Measure(1.0, 0)}, LISTED)
    assert line.startswith("b.py: is listed in the ratchet but does not exist")


def test_an_update_only_lowers() -> None:
    found = {"a.py": Measure(13.0, 1), "c.py": Measure(20.0, 0)}
    assert prose.updated(found, LISTED) == {"a.py": Measure(12.0, 1)}


def test_an_update_removes_what_is_within_the_limits() -> None:
    found = {"a.py": Measure(4.0, 0), "b.py": Measure(4.0, 1)}
    assert prose.updated(found, LISTED) == {"b.py": Measure(4.0, 0)}


def test_an_update_after_a_move_lists_new_files_up_to_the_worst_that_is_gone() -> None:
    found = {"b.py": Measure(9.0, 0), "new.py": Measure(12.0, 3), "worse.py": Measure(12.1, 0)}
    assert prose.updated(found, LISTED, moved=True) == {
        "b.py": Measure(9.0, 0),
        "new.py": Measure(12.0, 3),
    }
    assert prose.updated(found, LISTED) == {"b.py": Measure(9.0, 0)}


def test_without_a_file_that_is_gone_there_is_no_move() -> None:
    found = {**LISTED, "new.py": Measure(6.0, 0)}
    assert prose.updated(found, LISTED, moved=True) == LISTED


def test_the_ratchet_is_read_as_it_was_written(tmp_path) -> None:
    path = tmp_path / "ratchet.json"
    for ratchet in ({}, LISTED):
        path.write_text(prose.dump(ratchet), "utf-8")
        assert prose.load(path) == ratchet
        assert path.read_text("utf-8") == prose.dump(ratchet)
