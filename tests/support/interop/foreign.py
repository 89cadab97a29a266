# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Run unit tests of other projects with an os_vif of this checkout, and report the outcomes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.environments import Subject

RUNNER = Path(__file__).with_name("run_foreign_tests.py")


@dataclass(frozen=True)
class Report:
    """The outcome of a run.

    `outcomes` has "passed", "failed" or "skipped" by test id, `details` a traceback or a reason,
    and `modules` the file of each loaded module of os_vif and its plugins.
    """

    outcomes: dict[str, str]
    details: dict[str, str]
    modules: dict[str, str]

    def tests(self, outcome: str) -> list[str]:
        """Return the ids of the tests with an outcome."""
        return sorted(test for test, got in self.outcomes.items() if got == outcome)

    def failures(self) -> str:
        """Return the failed tests with the end of each traceback; an empty text if no test
        failed.
        """
        return "\n\n".join(
            f"{test}\n{self.details[test].strip()[-2000:]}" for test in self.tests("failed")
        )

    def modules_outside(self, *directories: Path) -> dict[str, str]:
        """Return the loaded modules of os_vif from files outside the directories."""
        return {
            name: file
            for name, file in self.modules.items()
            if not any(Path(file).is_relative_to(directory) for directory in directories)
        }


def run(
    python: Path,
    subject: Subject,
    tests: Sequence[str],
    scratch: Path,
    extend: Mapping[str, Path] | None = None,
    *,
    logs: bool = True,
) -> Report:
    """Run `tests` (dotted names of modules, classes or methods) with `python` and `subject`.

    `extend` adds a directory to the path of a package of the subject. `scratch` becomes the home
    and the working directory of the run. A test that cannot be loaded counts as failed. Without
    `logs` the log messages of the tests are not formatted.

    :raises RuntimeError: the run ended before the last test.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    request, report = scratch / "request.json", scratch / "report.json"
    directories = {package: str(directory) for package, directory in (extend or {}).items()}
    request.write_text(json.dumps({"tests": list(tests), "extend": directories}), "utf-8")
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [python, "-P", RUNNER, request, report],
        cwd=scratch,
        env=_environment(subject, scratch) | ({} if logs else {"OS_LOG_CAPTURE": "0"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode or not report.exists():
        raise RuntimeError(f"the run ended with status {done.returncode}:\n{done.stdout[-5000:]}")
    return Report(**json.loads(report.read_text("utf-8")))


def _environment(subject: Subject, scratch: Path) -> dict[str, str]:
    """Return an environment without HOME, OS_* and XDG_* variables of the user."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(scratch),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(subject.path),
        # With the variables oslotest captures the output of passing tests.
        "OS_STDOUT_CAPTURE": "1",
        "OS_STDERR_CAPTURE": "1",
        "OS_LOG_CAPTURE": "1",
    }
