# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reads of fields that may be unset: an unset field of an offer is an unknown fact."""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo


def field_of(obj: ovo.VersionedObject | None, *names: str) -> Any:
    """Return the field at a path of names, or None if a field of the path is unset or null."""
    value: Any = obj
    for name in names:
        if value is None or name not in value.fields or not value.obj_attr_is_set(name):
            return None
        value = getattr(value, name)
    return value
