# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Two plugins made with ``os-vif new-plugin``: their own tests pass where they are installed."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from os_vif.testing.conformance_checks import CHECKS
from tests.support.plugin_packages import run_own_tests

PACKAGES = pathlib.Path(__file__).parents[2] / "plugins"
#: Checks of the conformance suite for the short form.
SHORT = ["describe", "plans", "plug", "remains", "failures in plug", "failures in unplug"]
#: A call of conformance() in the tests of a plugin.
CALL = ", [case])"


def run_tests(name: str, folder: pathlib.Path, checks: list[str], *arguments: str) -> str:
    """Install a plugin with pip, without the network, and run its tests; return the output.

    :param checks: the checks of the conformance suite; empty for all.
    :param arguments: further arguments of pytest.
    """
    source, site = folder / "source", folder / "site"
    shutil.copytree(PACKAGES / name, source)
    tests = source / "tests" / "test_conformance.py"
    text = tests.read_text()
    assert CALL in text
    tests.write_text(text.replace(CALL, f", [case], checks={checks})"))
    return run_own_tests(source, site, *arguments)


def test_the_vxlan_plugin_conforms_and_its_guests_ping(tmp_path):
    assert "3 passed" in run_tests("vxlan", tmp_path, SHORT)


@pytest.mark.soak
def test_the_vxlan_plugin_passes_the_whole_conformance_suite(tmp_path):
    assert "3 passed" in run_tests("vxlan", tmp_path, [])


@pytest.mark.soak
@pytest.mark.vm("plain")
def test_a_guest_of_the_vrf_plugin_reaches_the_gateway(tmp_path):
    """The installation of the plugin takes minutes in a virtual machine."""
    assert "2 passed" in run_tests("vrf", tmp_path, [], "-k", "guest or refused")


@pytest.mark.soak
@pytest.mark.vm("plain")
@pytest.mark.parametrize("check", [name for name in CHECKS if name != "plug"])
def test_the_vrf_plugin_passes_the_conformance_suite(tmp_path, check):
    """A test for each check: the virtual machine ends a test without output for ten minutes."""
    assert "3 passed" in run_tests("vrf", tmp_path, ["plug", check])
