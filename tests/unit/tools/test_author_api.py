# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The promises of the page "Stability of the authors' API".

The record has the names of the release; ``python -m tests.support.author_api`` adds new names
before the next release.
"""

from __future__ import annotations

import importlib
import re

import pytest

from tests.support import author_api
from tests.support.documents.pages import PAGES

PAGE = PAGES["plugin_authors/promises"]
#: A function, as recorded.
BEFORE = {
    "os_vif.steps.Step": [
        ["name", "POSITIONAL_OR_KEYWORD", False],
        ["mtu", "POSITIONAL_OR_KEYWORD", True],
        ["up", "KEYWORD_ONLY", True],
    ]
}


def test_no_recorded_name_and_no_call_is_broken():
    assert author_api.broken(author_api.read_record(), author_api.read_api()) == []


def test_the_page_and_the_record_have_the_same_modules():
    """Each module and class on the page can be imported, and has recorded names."""
    literals = set(re.findall(r"``(os_vif(?:\.\w+)*)``|:class:`(os_vif[\w.]+)`", PAGE))
    named = {literal or cls for literal, cls in literals} - {"os_vif.exception"}
    assert named == {
        "os_vif", "os_vif.plugin.PluginBase", "os_vif.privsep.Context", "os_vif.recognition",
        "os_vif.steps", "os_vif.testing", "os_vif.vif_fields",
    }  # fmt: skip
    recorded = author_api.read_record()
    for name in named:
        assert any(entry == name or entry.startswith(f"{name}.") for entry in recorded), name
    assert importlib.import_module("os_vif.exception").ExceptionBase


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (None, "os_vif.steps.Step is gone; expected the name until the next major release"),
        ([["name", 0, False], ["up", 1, True]], "os_vif.steps.Step: the parameter mtu is gone"),
        ([["mtu", 0, True], ["name", 0, False], ["up", 1, True]],
         "os_vif.steps.Step: the parameter name was number 1, and is number 2"),
        ([["name", 0, False], ["mtu", 0, False], ["up", 1, True]],
         "os_vif.steps.Step: the parameter mtu was optional, and is mandatory"),
        ([["name", 0, False], ["mtu", 1, True], ["up", 1, True]],
         "os_vif.steps.Step: the parameter mtu was POSITIONAL_OR_KEYWORD, and is KEYWORD_ONLY"),
        ([["name", 0, False], ["mtu", 0, True], ["up", 1, True], ["zone", 1, False]],
         "os_vif.steps.Step: the new parameter zone is mandatory"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(after, fault):
    kinds = ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
    parameters = [[name, kinds[kind], optional] for name, kind, optional in after or []]
    present = {} if after is None else {"os_vif.steps.Step": parameters}
    assert fault in author_api.broken(BEFORE, present)


def test_a_new_optional_parameter_breaks_no_promise():
    after = [*BEFORE["os_vif.steps.Step"], ["zone", "KEYWORD_ONLY", True]]
    assert author_api.broken(BEFORE, {"os_vif.steps.Step": after, "os_vif.steps.New": []}) == []
