# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Reads objects with the os_vif that comes first on the module path, and writes them again.

Standard input has the primitive of an object in each line. The first line of the output says who
answers; then there is one for each object: what this os_vif writes of it, or the error.

Runs on Python 3.9, with the oldest releases.
"""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What lies beside this file is no part of the release.
del sys.path[0]

import oslo_versionedobjects  # noqa: E402
from oslo_versionedobjects import base  # noqa: E402

import os_vif  # noqa: E402
from os_vif import objects  # noqa: E402


def rewrite(primitive: dict[str, object]) -> dict[str, object]:
    """What this release writes of the object that it reads."""
    (cls,) = base.VersionedObjectRegistry.obj_classes()[primitive["versioned_object.name"]]
    return cls.obj_from_primitive(primitive).obj_to_primitive()


def answers() -> Iterator[dict[str, object]]:
    """An answer to each line."""
    known = base.VersionedObjectRegistry.obj_classes()
    yield {
        "os_vif": os_vif.__file__,
        "oslo_versionedobjects": oslo_versionedobjects.__file__,
        "python": platform.python_version(),
        "manifest": {name: known[name][0].VERSION for name in known},
    }
    for line in sys.stdin:
        try:
            yield {"written": rewrite(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the other side tells it
            yield {"error": repr(error)}


if __name__ == "__main__":
    objects.register_all()
    for answer in answers():
        sys.stdout.write(json.dumps(answer) + "\n")
