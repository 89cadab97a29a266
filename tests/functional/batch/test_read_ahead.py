# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Conditions that only root can read are read in one call of the daemon for all VIFs."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.engine import kernel
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def calls(monkeypatch):
    """Provide the number of steps of each call of a daemon."""
    counts = []

    def counting(entry_point, messages):
        counts.append(len(messages))
        return call(entry_point, messages)

    call = kernel._call
    monkeypatch.setattr(kernel, "_call", counting)
    return counts


@pytest.fixture
def filtered(namespace, instance):
    """Return plugged VIFs with forwarding rules; the rules of the second VIF are missing."""
    vifs = [bridge_vif(number, f"brq-{number}") for number in (1, 2, 3)]
    for vif in vifs:
        vif.has_traffic_filtering = False
        os_vif.plug(vif, instance)
    run("iptables -F os-vif-brq-2")
    return vifs


def test_a_check_of_many_vifs_is_one_call_with_the_results_of_single_checks(
    filtered, instance, calls
):
    expected = [os_vif.check(vif, instance) for vif in filtered]
    assert [bool(differences) for differences in expected] == [False, True, False]
    calls.clear()
    results = os_vif.check_many((vif, instance) for vif in filtered)
    assert len(calls) == 1
    assert [(result.error, result.differences) for result in results] == [
        (None, differences) for differences in expected
    ]


def test_the_inventory_is_one_call(filtered, calls):
    calls.clear()
    found = os_vif.inventory()
    assert len(calls) == 1
    assert [str(entry.state) for entry in found] == ["right", "differs", "right"]


@pytest.mark.parametrize("failing", ["first", "last"])
def test_a_condition_that_cannot_be_read_is_an_error_of_its_vif_only(
    filtered, instance, failing, monkeypatch
):
    """The daemon of another release accepts no such step."""
    first, last = filtered[0], filtered[-1]
    broken = first if failing == "first" else last
    encode = kernel.encode

    def encode_for_another_release(step):
        message = encode(step)
        return ["NoSuchStep", *message[1:]] if step.device == broken.bridge_name else message

    monkeypatch.setattr(kernel, "encode", encode_for_another_release)
    results = os_vif.check_many((vif, instance) for vif in filtered)
    assert [result.vif for result in results if not result.ok] == [broken]
    assert [bool(result.differences) for result in results] == [False, True, False]
