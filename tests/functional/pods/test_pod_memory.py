# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The memory of caller and privileged daemon, which plug and unplug pods for months."""

from __future__ import annotations

import gc
import tracemalloc
import uuid

import pytest

import os_vif
from os_vif import Sandbox
from os_vif.plugins import pod_privsep
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif

#: Pairs of plug and unplug before and during the measurement.
_WARM, _PAIRS = 20, 60
#: Bytes that a pair may keep. The ledger keeps a digest of the undo steps for an hour.
_KEPT = 2500


@pytest.mark.usefixtures("daemon")
def test_plugs_and_unplugs_of_pods_keep_little_memory():
    """The privileged functions run in this process, so that one measurement has both sides."""

    def plug_and_unplug(netns: str) -> None:
        vif = pod_bridge_vif(1)
        vif.id = str(uuid.uuid4())
        vif.vif_name = f"tap{vif.id[:11]}"
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "eth0"))

    pod_privsep.vif_plug.set_client_mode(False)
    try:
        with new_pod() as netns:
            for _ in range(_WARM):
                plug_and_unplug(netns)
            gc.collect()
            tracemalloc.start()
            for _ in range(_PAIRS):
                plug_and_unplug(netns)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pod_privsep.vif_plug.set_client_mode(True)
    assert kept / _PAIRS < _KEPT
