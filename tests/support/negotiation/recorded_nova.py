# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The VIFs of nova 34.0.0 for each case, recorded.

``python -m tests.support.negotiation.recorded_nova`` runs nova again, and writes the file.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from os_vif import objects
from os_vif.serialization import loads, to_document
from testbed import cache, environments
from testbed.environments import Subject
from tests.support.negotiation.neutron_cases import Case, all_cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TRANSLATOR = Path(__file__).parents[1] / "nova" / "nova_translator.py"
RECORD = Path(__file__).with_name("nova_34_0_0.json")


def ask_nova(
    subject: Subject, cases: Sequence[Case], scratch: Path, release: str | None = None
) -> list[dict[str, Any]]:
    """Return nova's answers to the cases, with the os_vif of *subject*.

    :param release: an older release of nova, in place of 34.0.0.
    :raises testbed.cache.Unavailable: if the environment of nova cannot be created.
    """
    return run_nova(subject, TRANSLATOR, map(dataclasses.asdict, cases), scratch, release)


def run_nova(
    subject: Subject,
    program: Path,
    questions: Iterable[Any],
    scratch: Path,
    release: str | None = None,
) -> list[dict[str, Any]]:
    """Return the answers of a program with nova, a line for each question.

    :raises testbed.cache.Unavailable: if the environment of nova cannot be created.
    """
    pinned = environments.pins("nova")
    python = environments.environment("nova", pinned, subject.requirements, "3.11")
    path = [str(subject.path)]
    if release is not None:
        path.insert(0, str(_older_nova(python, release)))
    done = subprocess.run(
        [python, program],
        input="".join(f"{json.dumps(question)}\n" for question in questions),
        env=environments.without_python_settings(os.environ) | {"PYTHONPATH": ":".join(path)},
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"nova ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    first, *answers = map(json.loads, done.stdout.splitlines())
    if Path(first["os_vif"]).parents[1] != subject.path:
        raise RuntimeError(f"nova imported {first['os_vif']}")
    return answers


def _older_nova(python: Path, release: str) -> Path:
    """Return a directory with an older release of nova, without the requirements."""

    def build(directory: Path) -> None:
        pip = (python, "-I", "-m", "pip", "install", "--quiet", "--no-deps")
        done = subprocess.run(
            [*pip, "--target", directory / "nova", f"nova=={release}"],
            env=environments.without_python_settings(os.environ),
            check=False,
        )
        if done.returncode:
            raise cache.Unavailable(f"nova {release} cannot be installed")

    return cache.cached_directory(f"nova-{release}", build) / "nova"


def compact(answers: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the documents of the VIFs, and the index of the document of each answer.

    The index is None for an answer without a VIF. The networks are documents of their own, because
    many VIFs have the same network.
    """
    networks, vifs = _Table(), _Table()
    cases: list[int | None] = []
    for answer in answers:
        if answer.get("vif") is None:
            cases.append(None)
            continue
        vif = to_document(loads(json.dumps(answer["vif"])))
        cases.append(vifs.index(vif | {"network": networks.index(vif["network"])}))
    return {"networks": networks.values(), "vifs": vifs.values(), "cases": cases}


class _Table:
    """Different values, with an index for each value."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    def index(self, value: Any) -> int:
        return self._indices.setdefault(json.dumps(value, sort_keys=True), len(self._indices))

    def values(self) -> list[Any]:
        return [json.loads(text) for text in self._indices]


@functools.cache
def recorded() -> dict[str, list[Any]]:
    """Return the content of the file."""
    content: dict[str, list[Any]] = json.loads(RECORD.read_text("utf-8"))
    return content


def recorded_vifs() -> list[dict[str, Any] | None]:
    """Return the document of the VIF of each case; None for a case without a VIF of nova."""
    content = recorded()
    documents = [vif | {"network": content["networks"][vif["network"]]} for vif in content["vifs"]]
    return [None if index is None else documents[index] for index in content["cases"]]


def write() -> None:
    """Run nova with this checkout, and write the file."""
    objects.register_all()
    with tempfile.TemporaryDirectory() as scratch:
        subject = Subject.from_checkout(Path(scratch))
        answers = ask_nova(subject, all_cases(), Path(scratch))
    content = compact(answers)
    RECORD.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(content['cases'])} cases, {len(content['vifs'])} VIFs\n")


if __name__ == "__main__":
    write()
