# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N802 - names of unittest
"""Run the unit tests of another project in the environment of the project.

python run_foreign_tests.py request.json report.json

The interpreter has the other project, and possibly no package of this checkout but os_vif: the
file imports the standard library only.

The request is `{"tests": [dotted names], "extend": {package: directory}}`: the packages, modules,
classes or methods to run, and directories for the `__path__` of packages. The report is
`{"outcomes": {test id: outcome}, "details": {test id: text}, "modules": {name: file}}`: "passed",
"failed" or "skipped" for each test, a traceback or a reason, and the file of each loaded os_vif
and vif_plug_* module.
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
    """A result with an outcome for each test id; a failure overrides later outcomes."""

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
    """Return the file of each loaded module of os_vif and its plugins."""
    return {
        name: str(module.__file__)
        for name, module in sorted(sys.modules.items())
        if name.startswith(WATCHED) and getattr(module, "__file__", None)
    }


def modules(name: str) -> list[str]:
    """Return the name of a test, or the names of all test modules of a package."""
    try:
        package = importlib.import_module(name)
    except ImportError:
        # The name is a class or a method.
        return [name]
    if not hasattr(package, "__path__"):
        return [name]
    found = pkgutil.walk_packages(package.__path__, f"{name}.")
    return [m.name for m in found if m.name.rpartition(".")[2].startswith("test_")]


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Load and run the tests of a request in order."""
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
