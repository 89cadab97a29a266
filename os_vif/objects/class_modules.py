# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The modules with classes of objects, imported by name.

The package ``os_vif.objects`` loads a class at the first use, and the history lists all classes.
A class module imports the history for its declaration. The history therefore imports no class
module: this module imports class modules by name, at a call, and imports nothing of os-vif itself.
"""

from __future__ import annotations

import importlib

#: The modules with the classes of os-vif; the classes of kuryr-kubernetes are in ``kuryr``.
PUBLIC = (
    "fixed_ip",
    "host_info",
    "host_offer",
    "instance_info",
    "network",
    "route",
    "subnet",
    "vif",
)
KURYR = "kuryr"


def register_public() -> None:
    """Register the classes of os-vif with oslo.versionedobjects."""
    for name in PUBLIC:
        importlib.import_module(f"os_vif.objects.{name}")


def register_kuryr() -> None:
    """Register the classes of kuryr-kubernetes, except registered classes."""
    importlib.import_module(f"os_vif.objects.{KURYR}")
