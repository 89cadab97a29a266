# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Plugins of other projects, in separate environments beside the os_vif under test."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed import environments
from testbed.environments import Subject

#: Libraries that plugins of the public os-vif import without a requirement in the package.
LIBRARIES = ("oslo.concurrency", "oslo.log", "oslo.utils", "oslo.i18n", "oslo.privsep")


@dataclass(frozen=True)
class Vendor:
    """The Python of an environment, the os_vif under test, and a working directory.

    *site* is a further directory of the module path, or None. *programs* come first on the path.
    """

    python: Path
    subject: Subject
    scratch: Path
    site: Path | None = None
    programs: Path | None = None

    def run(self, code: str) -> Any:
        """Run a program, and return the parsed JSON of the output."""
        done = self.start([self.python, "-W", "ignore", "-P", "-c", code])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command ``os-vif``."""
        return self.start([self.python, "-W", "ignore", "-P", "-m", "os_vif", *arguments])

    def start(self, command: list[Any]) -> subprocess.CompletedProcess[str]:
        """Run a command without settings of this process."""
        path = [str(self.subject.path), *([str(self.site)] if self.site else [])]
        folders = [*([str(self.programs)] if self.programs else []), str(self.python.parent)]
        return subprocess.run(
            command,
            env={
                "PATH": os.pathsep.join([*folders, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
                "HOME": str(self.scratch),
                "PYTHONPATH": os.pathsep.join(path),
            },
            cwd=self.scratch,
            capture_output=True,
            text=True,
            check=False,
        )


def vendor(
    name: str, pinned: str, requirements: tuple[str, ...], subject: Subject, scratch: Path
) -> Vendor:
    """Return the environment of a plugin; skip the test if the package index is unreachable."""
    try:
        python = environments.environment(name, pinned, (*subject.requirements, *requirements))
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Vendor(python, subject, scratch)
