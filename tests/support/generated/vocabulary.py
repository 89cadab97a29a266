# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The classes that the classes of the vocabulary derive from."""

from __future__ import annotations

from tests.support.strategies import PROFILES, VIFS

#: Name of a class to that of the class it derives from, where that is one of the vocabulary.
PARENTS = {
    **{name: "VIFBase" for name in VIFS if name != "VIFBase"},
    **{name: "VIFPortProfileBase" for name in PROFILES if name != "VIFPortProfileBase"},
    "DatapathOffloadRepresentor": "DatapathOffloadBase",
    "VIFPortProfileFPOpenVSwitch": "VIFPortProfileOpenVSwitch",
    "VIFPortProfileOVSRepresentor": "VIFPortProfileOpenVSwitch",
}
