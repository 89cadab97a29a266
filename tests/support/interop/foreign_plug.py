# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Plug or unplug a VIF with an os_vif on the module path, for example a public release.

python foreign_plug.py {plug,unplug} stored.json program.conf

The file runs in an interpreter with the os_vif under test on the module path, and imports no
module of this checkout. `stored.json` has the VIF and the instance as a program stores them, and
`program.conf` has the configuration of the program. The output is the path of the imported os_vif.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from oslo_config import cfg

import os_vif
from os_vif import objects


def main(action: str, stored: str, configuration: str) -> None:
    cfg.CONF([], project="foreign_plug", default_config_files=[configuration])
    os_vif.initialize()
    primitives = json.loads(Path(stored).read_text(encoding="utf-8"))
    vif = objects.vif.VIFBase.obj_from_primitive(primitives["vif"])
    instance = objects.instance_info.InstanceInfo.obj_from_primitive(primitives["instance"])
    getattr(os_vif, action)(vif, instance)
    print(os_vif.__file__)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
