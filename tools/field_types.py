# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the types of the classes for editors and type checkers: ``python -m tools.field_types``.

Each class of the vocabulary has the block of :mod:`os_vif.cmd.author.class_bodies`. The check fails
if a committed module differs from the generated text, or if a field has no sentence. ``--update``
writes the blocks.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from os_vif.cmd.author.class_bodies import generate
from os_vif.codec.field_comments import sentence_of
from os_vif.objects.versioning import history

COMMAND = "python -m tools.field_types --update"


def modules() -> dict[Path, list[type[Any]]]:
    """Return the classes of the vocabulary of os-vif, by source file."""
    by_path: dict[Path, list[type[Any]]] = {}
    for cls in history.vocabulary().values():
        by_path.setdefault(Path(inspect.getfile(cls)), []).append(cls)
    return by_path


def find_fields_without_sentence() -> list[str]:
    """Return a line for each field without a sentence that ends with a full stop."""
    return [
        f"{cls.__name__}.{name}: found {sentence_of(cls, name)!r}; expected a comment '#: …' with"
        " one sentence above the field"
        for cls in history.vocabulary().values()
        for name in cls.fields
        if not re.fullmatch(r"[A-Z]((?![.] ).)*[.]", sentence_of(cls, name))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check, and return the exit code: 1 for a difference or a missing sentence."""
    parser = argparse.ArgumentParser(prog="python -m tools.field_types", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the blocks")
    options = parser.parse_args(arguments)
    lines = find_fields_without_sentence()
    for path, classes in modules().items():
        generated = generate(path, classes, COMMAND)
        if options.update:
            path.write_text(generated, "utf-8")
        elif path.read_text("utf-8") != generated:
            lines.append(
                f"{path.name}: the types differ from the fields; write them with --update"
            )
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
