# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Run the tests of consumers with the public release: `python -m tests.support.interop.baseline`.

Use the command after a change of the pins or of `consumers.SUITES`. The output lists the numbers
for `consumers.SUITES`, and the tests that fail with the public release. Arguments name projects;
the default is all projects.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from testbed import environments
from testbed.environments import Subject
from tests.support.interop import foreign
from tests.support.interop.consumers import SUITES


def main(projects: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        subject = Subject.from_public_release(Path(directory))
        for suite in SUITES:
            if projects and suite.project not in projects:
                continue
            pinned = environments.pins(suite.project)
            python = environments.environment(
                suite.project, pinned, subject.requirements, suite.python
            )
            started = time.monotonic()
            report = foreign.run(
                python, subject, suite.tests, Path(directory) / suite.name, logs=suite.logs
            )
            counts = {o: len(report.tests(o)) for o in ("passed", "failed", "skipped")}
            print(suite.project, suite.name, counts, f"{time.monotonic() - started:.0f} s")  # noqa: T201
            print(report.failures(), end="")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
