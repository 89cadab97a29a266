# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Attempts to use an object as a mapping, and the answers of the public release 5.3.0.

As a program, print the answers of the os_vif on the module path as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def _write(vif: Any) -> None:
    vif["vif_name"] = "tap2"


def _delete(vif: Any) -> None:
    del vif["vif_name"]


ATTEMPTS: dict[str, Callable[[Any], object]] = {
    "read": lambda vif: vif["vif_name"],
    "write": _write,
    "delete": _delete,
    "get": lambda vif: vif.get("vif_name"),
    "items": lambda vif: vif.items(),
    "keys": lambda vif: vif.keys(),
    "values": lambda vif: vif.values(),
    "update": lambda vif: vif.update({"vif_name": "tap2"}),
    "iterate": list,
    "length": len,
    "contains a set field": lambda vif: "vif_name" in vif,
    "contains an unset field": lambda vif: "address" in vif,
}

#: Answers of the release 5.3.0 with oslo.versionedobjects 3.12.0.
RECORDED = {
    "read": "TypeError: 'VIFBridge' object is not subscriptable",
    "write": "TypeError: 'VIFBridge' object does not support item assignment",
    "delete": "TypeError: 'VIFBridge' object does not support item deletion",
    "get": "AttributeError: 'VIFBridge' object has no attribute 'get'",
    "items": "AttributeError: 'VIFBridge' object has no attribute 'items'",
    "keys": "AttributeError: 'VIFBridge' object has no attribute 'keys'",
    "values": "AttributeError: 'VIFBridge' object has no attribute 'values'",
    "update": "AttributeError: 'VIFBridge' object has no attribute 'update'",
    "iterate": "TypeError: 'VIFBridge' object is not iterable",
    "length": "TypeError: object of type 'VIFBridge' has no len()",
    "contains a set field": "True",
    "contains an unset field": "False",
}


def answer(vif: Any, attempt: str) -> str:
    """Return the result of an attempt, or the class and the text of the error."""
    try:
        return repr(ATTEMPTS[attempt](vif))
    except (AttributeError, TypeError) as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def main() -> None:
    """Print the answers for a VIF of the os_vif on the module path."""
    from os_vif.objects import vif as vif_objects

    vif = vif_objects.VIFBridge(vif_name="tap1", bridge_name="br0")
    sys.stdout.write(json.dumps({attempt: answer(vif, attempt) for attempt in ATTEMPTS}))


if __name__ == "__main__":
    main()
