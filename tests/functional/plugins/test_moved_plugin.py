# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugin of the page "Moving a plugin to plans", before and after."""

from __future__ import annotations

import importlib

import pytest

from os_vif import objects
from os_vif.testing import Case, conformance
from os_vif.testing.host_snapshots import ip
from tests.support.documents.pages import ROOT

VIF = objects.VIFBridge(
    id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90",
    plugin="segment",
    bridge_name="seg0",
    vif_name="tap5a1d3c2e-0b",
)
INSTANCE = objects.InstanceInfo(uuid=VIF.id, name="guest")
CASE = Case("guest", VIF, tun=True)
QUICK = ("describe", "plans", "plug", "repeats", "remains", "failures in plug", "concurrency")


@pytest.fixture
def plugin_class(monkeypatch):
    """Return the plugin class of a module in tests/plugins/moved."""
    monkeypatch.syspath_prepend(str(ROOT / "tests/plugins/moved"))
    return lambda module: importlib.import_module(module).SegmentPlugin


def _plugged(plugin_class) -> dict[str, tuple]:
    """Return the devices after a plug, and unplug the VIF."""
    plugin = plugin_class.load("segment")
    plugin.plug(VIF, INSTANCE)
    devices = {
        link["ifname"]: (
            link["linkinfo"]["info_kind"],
            link["mtu"],
            link.get("master"),
            "UP" in link["flags"],
        )
        for link in ip("link")
        if link["ifname"] != "lo"
    }
    plugin.unplug(VIF, INSTANCE)
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    return devices


def test_both_plugins_leave_the_same_devices(host, plugin_class):
    before = _plugged(plugin_class("os_vif_before"))
    assert set(before) == {"seg0", VIF.vif_name}
    assert _plugged(plugin_class("os_vif_after")) == before


def test_the_plugin_with_plans_passes_the_conformance_suite(host, plugin_class):
    conformance(plugin_class("os_vif_after"), [CASE], checks=QUICK).raise_for_failures()


def test_the_plugin_with_commands_fails_the_checks_that_the_page_names(host, plugin_class):
    report = conformance(plugin_class("os_vif_before"), [CASE])
    verdicts = {result.check: str(result.verdict) for result in report.results}
    failed = {check for check, verdict in verdicts.items() if verdict.lower() == "failed"}
    # Four threads may happen to plug one after another.
    assert {"repeats"} <= failed <= {"repeats", "concurrency"}, str(report)
    skipped = [each for each in report.results if str(each.verdict).lower() == "skipped"]
    assert len(skipped) == 6
    assert all("has no plan: the check needs" in each.reason for each in skipped)
    # The report shows the reason that the checks share once.
    assert str(report).count("has no plan: the check needs") == 1


def test_the_plugin_with_plans_unplugs_what_the_plugin_with_commands_plugged(host, plugin_class):
    plugin_class("os_vif_before").load("segment").plug(VIF, INSTANCE)
    plugin_class("os_vif_after").load("segment").unplug(VIF, INSTANCE)
    assert {link["ifname"] for link in ip("link")} == {"lo", "seg0"}
