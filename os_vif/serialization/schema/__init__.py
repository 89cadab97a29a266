# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Schemas for validators and code generators: JSON Schema, OpenAPI and Kubernetes.

A schema is self-contained, and describes one kind, for example ``VIFBridge``, or VIFs of any kind
(``VIF``). The kind may be a registered class of a third party.
"""

from __future__ import annotations

from os_vif.serialization.schema.json_schema import load
from os_vif.serialization.schema.kuryrport import load as load_kuryrport
from os_vif.serialization.schema.openapi import load as load_structural
from os_vif.serialization.schema.primitive_schema import generate as load_primitive

__all__ = ["load", "load_kuryrport", "load_primitive", "load_structural"]
