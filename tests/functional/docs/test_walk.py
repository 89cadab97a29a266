# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The drawing of one plug: its boxes are functions, and a real plug calls them in this order."""

from __future__ import annotations

import importlib
import inspect
import operator
import runpy
import sys
from collections.abc import Iterator
from types import CodeType

import pytest

import os_vif
from os_vif import objects
from tests.support.cases import ovs_vif
from tests.support.pages import PAGES, ROOT, SOURCE
from vif_plug_ovs import privsep

DRAWINGS = runpy.run_path(str(ROOT / "doc" / "drawings.py"))
WALK = [f"{module}.{function}" for _, module, function, _ in DRAWINGS["WALK"]]


def code_of(module: str, function: str) -> CodeType:
    """Return the code of a function, which the named module defines."""
    found = operator.attrgetter(function)(importlib.import_module(module))
    code: CodeType = inspect.unwrap(found).__code__
    assert code.co_filename == importlib.import_module(module).__file__
    return code


CODES = {
    code_of(module, function): f"{module}.{function}"
    for _, module, function, _ in DRAWINGS["WALK"]
}


@pytest.fixture
def unprivileged(here) -> Iterator[None]:
    """The privileged functions run in this process, where a profiler sees them."""
    privsep.vif_plug.set_client_mode(False)
    yield
    privsep.vif_plug.set_client_mode(True)


def test_a_plug_calls_the_functions_of_the_drawing_in_their_order(br_int, unprivileged, instance):
    """Of a hybrid VIF, on a real kernel and a real switch."""
    calls = []

    def profile(frame, event, argument):
        if event == "call" and frame.f_code in CODES:
            calls.append(CODES[frame.f_code])

    vif = ovs_vif(objects.VIFBridge)
    sys.setprofile(profile)
    try:
        os_vif.plug(vif, instance)
    finally:
        sys.setprofile(None)
    assert os_vif.check(vif, instance) == ()
    rest = iter(calls)
    missing = [name for name in WALK if name not in rest]
    assert missing == [], calls


def test_the_drawing_has_ten_boxes_and_is_what_the_script_draws():
    """It is on the page about the layout, whose text names each function."""
    assert len(WALK) == len(set(WALK)) == 10
    assert (SOURCE / "contributor/walk.svg").read_text("utf-8") == DRAWINGS["walk"]()
    page = PAGES["contributor/layout"]
    assert ".. image:: walk.svg\n   :alt: " in page
    assert [name for name in WALK if f"``{name}``" not in page] == []
