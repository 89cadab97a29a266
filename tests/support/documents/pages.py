# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The pages of the documentation."""

from __future__ import annotations

import pathlib
import runpy
import subprocess
import types

import pytest

from os_vif import exception

ROOT = pathlib.Path(__file__).parents[3]


SOURCE = ROOT / "doc" / "source"


PAGES = {
    str(path.relative_to(SOURCE).with_suffix("")): path.read_text(encoding="utf-8")
    for path in sorted(SOURCE.rglob("*.rst"))
}


def load_extension(name: str) -> types.SimpleNamespace:
    """Run a module of ``doc/ext``; return the names of the module."""
    return types.SimpleNamespace(**runpy.run_path(str(ROOT / "doc" / "ext" / f"{name}.py")))


def run(*command: object, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def error_message(call) -> str:
    """Return the message of the error raised by a call."""
    with pytest.raises(exception.ExceptionBase) as info:
        call()
    return str(info.value)
