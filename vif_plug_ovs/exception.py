# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Exceptions of the public os-vif. The ``ovs`` plugin raises :mod:`os_vif.exception` instead."""

import warnings

from vif_plug_ovs._exception import (
    AgentError,
    MissingPortProfile,
    PciDeviceNotFoundById,
    RepresentorNotFound,
    TapCreationNotSupported,
    WrongPortProfile,
)

__all__ = [
    "AgentError",
    "MissingPortProfile",
    "PciDeviceNotFoundById",
    "RepresentorNotFound",
    "TapCreationNotSupported",
    "WrongPortProfile",
]

warnings.warn(
    "vif_plug_ovs.exception is deprecated: raise os_vif.exception.InvalidField",
    DeprecationWarning,
    stacklevel=2,
)
