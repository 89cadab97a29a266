# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Call old names of an os_vif, and print the result of each call.

python foreign_call.py calls.json program.conf

The file runs in an interpreter with any os_vif on the module path, and needs no further package. A
call is `[where, name, arguments, keywords]`. *where* is a module, `module:object`, or
`module:Class()` for an object created with the options of `[os_vif_ovs]`. The results are printed
as JSON: the returned value, or `{"raised": class}`.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from oslo_config import cfg

# Old names warn, and internal modules of 5.3.0 accept imports from 5.3.0 only.
warnings.simplefilter("ignore")
import os_vif  # noqa: E402
import vif_plug_ovs.linux_net  # noqa: E402


def find(where: str, options: Any) -> Any:
    module, _, name = where.partition(":")
    found = importlib.import_module(module)
    if name.endswith("()"):
        return getattr(found, name[:-2])(options)
    return getattr(found, name) if name else found


def call(options: Any, where: str, name: str, arguments: list[Any], keywords: Any) -> Any:
    try:
        return getattr(find(where, options), name)(*arguments, **keywords)
    except Exception as error:  # noqa: BLE001 - it is told
        return {"raised": type(error).__name__, "text": str(error)}


def main(calls: str, configuration: str) -> None:
    cfg.CONF([], project="foreign_call", default_config_files=[configuration])
    os_vif.initialize()
    options = cfg.CONF.os_vif_ovs
    made = [call(options, *one) for one in json.loads(Path(calls).read_text(encoding="utf-8"))]
    print(json.dumps({"file": vif_plug_ovs.linux_net.__file__, "made": made}, default=str))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
