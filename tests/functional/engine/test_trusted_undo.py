# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps are validated where they cross the privilege boundary, and not where the daemon makes them."""

from __future__ import annotations

import collections
import sys
from types import FrameType
from typing import Any, Self

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine.privileged import daemon
from os_vif.plugins.ovs import OvsPlugin
from os_vif.steps import EnsureBridge, SetLink
from os_vif.steps.trust import trusted
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


class Validations:
    """Counts calls of ``validate()`` of steps, by the function of the daemon that led to them."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.all_calls = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if event != "call" or "/os_vif/" not in path:
            return
        self.all_calls += 1
        if frame.f_code.co_name == "validate" and "/os_vif/steps/" in path:
            self.calls[self._place(frame.f_back)] += 1

    def _place(self, frame: FrameType | None) -> str:
        while frame is not None:
            if frame.f_code.co_filename == daemon.__file__:
                inside = frame.f_code.co_name
                return "decode" if inside in ("_decode_all", "<listcomp>") else "daemon"
            frame = frame.f_back
        return "caller"


def test_the_daemon_validates_what_it_decodes_and_not_its_own_undo(br_int, monkeypatch):
    """A hybrid plug: one validation in the daemon for each step that the caller sends."""
    monkeypatch.setattr(OvsPlugin, "privsep_module", daemon.__name__)
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)
    with Validations() as plugged:
        os_vif.plug(vif, INSTANCE)
    with Validations() as unplugged:
        os_vif.unplug(vif, INSTANCE)
    assert plugged.calls["decode"] > 0
    assert plugged.calls["daemon"] == 0
    assert unplugged.calls["decode"] > 0
    assert unplugged.calls["daemon"] == 0


def test_an_undo_is_validated_when_it_comes_back(namespace):
    """The daemon restores a state that no caller may ask for, but takes no such step from outside."""
    with trusted():
        step = SetLink("lo", mtu=-1)
    with pytest.raises(exception.InvalidStep):
        SetLink("lo", mtu=-1)
    answer = daemon.undo([encode(step)])
    assert answer["undone"] == 0
    assert "InvalidStep" in answer["not_undone"][0] or "mtu" in answer["not_undone"][0]


@pytest.mark.usefixtures("daemon")
def test_trust_ends_with_the_step_that_the_daemon_applies():
    """Also after a failure: later calls are validated as before."""
    run("ip link add name br type dummy || ip link add name br type veth peer name other")
    answer = daemon.run([encode(EnsureBridge("br"))])
    assert answer["error"] is not None
    with pytest.raises(exception.InvalidStep):
        SetLink("br", mtu=-1)
    assert ip("link", "show", "br")
