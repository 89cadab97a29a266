# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The drawing of one plug: its boxes are functions, and a real plug calls them in this order."""

from __future__ import annotations

import importlib
import inspect
import operator
import sys
from collections.abc import Iterator
from types import CodeType

import pytest

import os_vif
from os_vif import objects
from tests.support.cases import ovs_vif
from tests.support.documents.pages import PAGES, load_extension
from vif_plug_ovs import privsep

drawings = load_extension("drawings")
WALK = [f"{module}.{function}" for _, module, function, _ in drawings.WALK]


def code_of(module: str, function: str) -> CodeType:
    """Return the code of a function, which the named module defines."""
    found = operator.attrgetter(function)(importlib.import_module(module))
    code: CodeType = inspect.unwrap(found).__code__
    assert code.co_filename == importlib.import_module(module).__file__
    return code


CODES = {
    code_of(module, function): f"{module}.{function}" for _, module, function, _ in drawings.WALK
}


@pytest.fixture
def unprivileged(daemon) -> Iterator[None]:
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


def test_the_page_of_the_drawing_names_each_function():
    """The drawing has ten boxes."""
    assert len(WALK) == len(set(WALK)) == 10
    assert all(
        f">{function}</text>" in drawings.draw("walk", "") for _, _, function, _ in drawings.WALK
    )
    page = PAGES["contributor/layout"]
    assert ".. drawing:: walk\n   :alt: " in page
    assert [name for name in WALK if f"``{name}``" not in page] == []
