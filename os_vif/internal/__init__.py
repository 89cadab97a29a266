# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Old import paths of what was os-vif's own, and is used by plugins of others all the same."""

import warnings

warnings.warn(
    "os_vif.internal is deprecated: let a plugin plan with the steps of os_vif.host.steps",
    DeprecationWarning,
    stacklevel=2,
)
