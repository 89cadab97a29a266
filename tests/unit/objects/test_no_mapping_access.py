# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Objects are no mappings, exactly as in the public release 5.3.0.

RECORDED holds the answers of the public release 5.3.0, printed by tests/support/mapping_access.py with
the Python of an environment with that release.
"""

from __future__ import annotations

import pytest

from os_vif import objects
from tests.support.mapping_access import ATTEMPTS, RECORDED, answer


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_mapping_access_has_the_answer_of_5_3_0(attempt: str) -> None:
    vif = objects.vif.VIFBridge(vif_name="tap1", bridge_name="br0")
    assert answer(vif, attempt) == RECORDED[attempt]
    assert vif.vif_name == "tap1"
