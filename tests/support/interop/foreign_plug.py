# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Plug or unplug a VIF with another os_vif than ours.

    python foreign_plug.py {plug,unplug} stored.json program.conf

This file runs in an interpreter that has that os_vif on its module path and
nothing of ours.  `stored.json` is what a program keeps of a VIF and its
instance, `program.conf` that program's configuration.  It prints the file of
the os_vif that it ran.
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
