# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Read objects with the first os_vif on the module path, and write the objects again.

Each line of standard input is the OVO primitive of an object. The first line of the output names
the release; each further line has the written object, or the error.

The file runs on Python 3.9, for the oldest releases.
"""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The folder of the file is no part of the release.
del sys.path[0]

import oslo_versionedobjects  # noqa: E402
from oslo_versionedobjects import base  # noqa: E402

import os_vif  # noqa: E402
from os_vif import objects  # noqa: E402


def rewrite(primitive: dict[str, object]) -> dict[str, object]:
    """Return the object as this release writes it after reading."""
    (cls,) = base.VersionedObjectRegistry.obj_classes()[primitive["versioned_object.name"]]
    return cls.obj_from_primitive(primitive).obj_to_primitive()


def answers() -> Iterator[dict[str, object]]:
    """Yield an answer to each line."""
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
