# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``sriov`` plugin, with a virtual function that a hypervisor takes by ``vfio-pci``."""

from __future__ import annotations

import pytest

import os_vif
from testbed.vm import cards
from tests.support.vm.devices import bind
from tests.support.vm.virtual_functions import (
    ALL,
    macvtap,
    namespace,
    of_vf,
    records,
    refused,
    vfs,
)

# A fixture.
__all__ = ["namespace"]

pytestmark = [pytest.mark.vm("igb"), pytest.mark.usefixtures("daemon")]


def test_a_vf_that_vfio_has_is_set_and_gets_back_what_it_had(igb, instance):
    """Before and after a hypervisor takes it; a macvtap device cannot be on it."""
    before, vf = vfs(igb), igb.vf(0)
    vif = of_vf(vf.name, **ALL)
    os_vif.plug(vif, instance)
    bind(vf, "vfio-pci")
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert (vfs(igb), records()) == (before, [])
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert "has no network device here" in refused(igb, instance, macvtap(vf.name, "vepa"))
    bind(vf, "igbvf")
    cards.wait_until(lambda: igb.vf_name(0), "the VF's network device")
