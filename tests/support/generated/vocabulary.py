# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base classes of the classes of the vocabulary."""

from __future__ import annotations

from tests.support.strategies import PROFILES, VIFS

#: The base class of each class, if the base class is in the vocabulary.
PARENTS = {
    **{name: "VIFBase" for name in VIFS if name != "VIFBase"},
    **{name: "VIFPortProfileBase" for name in PROFILES if name != "VIFPortProfileBase"},
    "DatapathOffloadRepresentor": "DatapathOffloadBase",
    "VIFPortProfileFPOpenVSwitch": "VIFPortProfileOpenVSwitch",
    "VIFPortProfileOVSRepresentor": "VIFPortProfileOpenVSwitch",
}
