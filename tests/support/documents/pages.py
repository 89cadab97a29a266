# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The pages of the documentation."""

from __future__ import annotations

import importlib
import pathlib
import subprocess
import sys
import types
import xml.etree.ElementTree as ET

import pytest

from os_vif import exception

ROOT = pathlib.Path(__file__).parents[3]


SOURCE = ROOT / "doc" / "source"


PAGES = {
    str(path.relative_to(SOURCE).with_suffix("")): path.read_text(encoding="utf-8")
    for path in sorted(SOURCE.rglob("*.rst"))
}


def load_extension(name: str) -> types.ModuleType:
    """Import a module of ``doc/ext``."""
    folder = str(ROOT / "doc" / "ext")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def run(*command: object, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def fits(text: ET.Element, width: int) -> bool:
    """Return whether a text of a picture is inside the picture, with usual widths of characters."""
    is_wide = "name" in (text.get("class") or "")
    length, x = len(text.text or "") * (7.9 if is_wide else 6.6), float(text.get("x", "0"))
    before = {"end": length, "middle": length / 2}.get(text.get("text-anchor", "start"), 0.0)
    return x - before >= 0 and x - before + length <= width


def error_message(call) -> str:
    """Return the message of the error raised by a call."""
    with pytest.raises(exception.ExceptionBase) as info:
        call()
    return str(info.value)
