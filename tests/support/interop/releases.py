# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Public releases that read newly written objects, each in an environment of the same year.

Releases of an era share an environment without os-vif: `pins/<era>.txt`. The os-vif of a release
comes first on the path: `pins/releases.txt`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import environments
from testbed.environments import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable

READER = Path(__file__).with_name("release_reader.py")

#: The line of each release in a requirements file, the oldest release first.
PINNED = {
    re.split("==| ", line)[1]: line for line in environments.pins("releases").splitlines() if line
}


@dataclass(frozen=True)
class Era:
    """Major versions for which a single environment works, and the required Python."""

    name: str
    majors: str
    python: str


ERAS = (
    Era("1.x", "1", "3.9"),
    Era("2.x", "2", "3.9"),
    Era("3.x", "34", "3.9"),
    Era("5.x", "5", "3.12"),
)


def era(release: str) -> Era:
    return next(e for e in ERAS if release[0] in e.majors)


@dataclass(frozen=True)
class Reading:
    """The answers of a release to payloads, and the version of the release."""

    reader: dict[str, object]
    answers: list[dict[str, object]]


def read(
    release: str, scratch: Path, payloads: Iterable[str], pinned: str | None = None
) -> Reading:
    """Run a release to read payloads and write the payloads again.

    :param pinned: the line of the release in a requirements file, by default of `pins/releases.txt`.
    :raises testbed.cache.Unavailable: the Python is missing, or the package index is out of reach.
    """
    its = era(release)
    python = environments.environment(its.name, environments.pins(its.name), version=its.python)
    builder = environments.environment("release-builder", environments.pins("builder"))
    subject = Subject.from_public_release(scratch, pinned or PINNED[release], builder)
    done = subprocess.run(
        [python, "-W", "ignore", READER],
        input="".join(f"{payload}\n" for payload in payloads),
        env=environments.without_python_settings(os.environ) | {"PYTHONPATH": str(subject.path)},
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{release} ended with status {done.returncode}:\n{done.stderr[-3000:]}"
        )
    reader, *answers = map(json.loads, done.stdout.splitlines())
    return Reading(reader, answers)
