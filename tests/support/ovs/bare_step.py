# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A step of Open vSwitch for tests, whose subclasses define the change."""

from __future__ import annotations

import dataclasses

from os_vif.steps.ovs.step import OvsStep


@dataclasses.dataclass(frozen=True)
class BareOvsStep(OvsStep):
    """A step without validation, commands and differences."""

    def validate(self):
        pass

    def commands(self):
        return ()

    def differences(self, look):
        return ()
