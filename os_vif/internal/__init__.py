# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import paths of the public os-vif. Private there, but plugins outside os-vif use the names."""

import warnings

warnings.warn(
    "os_vif.internal is deprecated: let a plugin plan with the steps of os_vif.steps",
    DeprecationWarning,
    stacklevel=2,
)
