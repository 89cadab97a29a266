# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N802 - the names are unittest's
"""Run another project's unit tests in that project's own environment.

    python run_foreign_tests.py request.json report.json

This file runs in an interpreter that has the other project installed and may
have nothing of ours but os_vif itself, so it needs the standard library alone.

The request is `{"tests": [dotted names], "extend": {package: directory}}`: the
packages, modules, classes or methods to run, and the directories that join a package's
`__path__` before they are loaded.  The report is
`{"outcomes": {test id: outcome}, "details": {test id: text}, "modules": {name: file}}`:
"passed", "failed" or "skipped" for each test, a traceback or a reason where there
is one, and the file of every os_vif and vif_plug_* module that the run loaded.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import unittest
from pathlib import Path
from typing import Any

WATCHED = ("os_vif", "vif_plug_")


class Recorder(unittest.TestResult):
    """Keeps one outcome for each test id; a failure outlasts whatever follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.details: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "passed")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.outcomes.setdefault(test.id(), "passed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self._failed(test, "succeeded, though marked as an expected failure")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.outcomes.setdefault(test.id(), "skipped")
        self.details.setdefault(test.id(), reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._failed(test, self.errors[-1][1])

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._failed(test, self.failures[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._failed(test, (self.errors + self.failures)[-1][1])

    def _failed(self, test: unittest.TestCase, detail: str) -> None:
        self.outcomes[test.id()] = "failed"
        self.details[test.id()] = detail


def loaded_modules() -> dict[str, str]:
    """The file of every module of os_vif and of its plugins that has been loaded."""
    return {
        name: str(module.__file__)
        for name, module in sorted(sys.modules.items())
        if name.startswith(WATCHED) and getattr(module, "__file__", None)
    }


def modules(name: str) -> list[str]:
    """A name of a test; for a package, its modules of tests, at any depth."""
    try:
        package = importlib.import_module(name)
    except ImportError:
        # A class, or a method.
        return [name]
    if not hasattr(package, "__path__"):
        return [name]
    found = pkgutil.walk_packages(package.__path__, f"{name}.")
    return [m.name for m in found if m.name.rpartition(".")[2].startswith("test_")]


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Load and run the tests that the request names, one after another."""
    for package, directory in request.get("extend", {}).items():
        importlib.import_module(package).__path__.append(directory)
    recorder = Recorder()
    names = [found for name in request["tests"] for found in modules(name)]
    unittest.defaultTestLoader.loadTestsFromNames(names).run(recorder)
    return {
        "outcomes": recorder.outcomes,
        "details": recorder.details,
        "modules": loaded_modules(),
    }


def main(request: str, report: str) -> None:
    result = run(json.loads(Path(request).read_text(encoding="utf-8")))
    Path(report).write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
