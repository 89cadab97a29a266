# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the published schemas: ``python -m tools.contract``.

The check fails if the committed schemas differ from the schemas generated from the classes, or if
the classes or documents break readers of a release (:mod:`tools.compatibility`).

``--write`` generates the schemas. ``--release`` records the present classes, documents and messages
as released; later checks compare with the record.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from os_vif.codec import document
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization.protobuf import message_types as proto
from os_vif.serialization.schema import json_schema, kuryrport, openapi
from tools import compatibility

ROOT = Path(__file__).parents[1] / "os_vif" / "serialization" / "schema"
#: Folder with the released data, in the form of :mod:`tools.compatibility`.
RELEASED = ROOT / "data" / "released"
#: The maximum length of a line of a schema with more than one property or item.
_WIDTH = 120


def generate_files() -> dict[str, str]:
    """Return the files generated from the classes, as a dict of name to text."""
    numbers = proto.assign_numbers(read_numbers())
    return {
        json_schema.FILE: format_json(json_schema.generate()) + "\n",
        openapi.FILE: format_json(openapi.generate()) + "\n",
        kuryrport.FILE: _yaml(kuryrport.generate()),
        proto.MESSAGES: proto.render(numbers, proto.numbered_messages(numbers)),
    }


def _path_of_numbers() -> Path:
    return ROOT / "data" / proto.NUMBERS


def read_numbers() -> proto.Numbers:
    """Return the recorded numbers of the fields of messages. Numbers are never removed."""
    path = _path_of_numbers()
    numbers: proto.Numbers = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return numbers


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True, default=repr) + "\n"


def format_json(data: Any, indent: str = "", name: str = "") -> str:
    """Return JSON with each short object and array on a single line.

    A property of a schema is a line, so a new field is a new line in a review.
    """
    line = f"{indent}{name}{json.dumps(data, sort_keys=True)}"
    if len(line) < _WIDTH or not isinstance(data, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(data, dict):
        items = [format_json(data[key], deeper, f"{json.dumps(key)}: ") for key in sorted(data)]
        opening, closing = "{}"
    else:
        items = [format_json(item, deeper) for item in data]
        opening, closing = "[]"
    lines = ",\n".join(items)
    return f"{indent}{name}{opening}\n{lines}\n{indent}{closing}"


class _Dumper(yaml.SafeDumper):
    """A YAML dumper without aliases, which API servers of Kubernetes do not accept."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(data: Any) -> str:
    head = (
        "# SPDX-FileCopyrightText: The os-vif developers\n# SPDX-License-Identifier: Apache-2.0\n"
    )
    # An unlimited width keeps patterns on a single line.
    return head + yaml.dump(data, Dumper=_Dumper, width=sys.maxsize, sort_keys=True)


def find_stale_files(folder: Path) -> list[str]:
    """Return a line for each committed file that differs from the generated file."""
    generated = generate_files()
    committed = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*"))}
    lines = [f"{name}: the file is missing" for name in generated if name not in committed]
    lines += [f"{name}: the file is not generated" for name in committed if name not in generated]
    lines += [
        f"{name}: the file differs from the generated file"
        for name, text in generated.items()
        if committed.get(name, text) != text
    ]
    if proto.assign_numbers(read_numbers()) != read_numbers():
        lines.append(f"{proto.NUMBERS}: a number is missing")
    return lines


def write(folder: Path) -> None:
    """Write the generated files, and delete all other files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _path_of_numbers().write_text(_json(proto.assign_numbers(read_numbers())), "utf-8")
    generated = generate_files()
    for path in folder.glob("*"):
        if path.name not in generated:
            path.unlink()
    for name, text in generated.items():
        (folder / name).write_text(text, "utf-8")


def find_breaking_changes(released: Path) -> list[str]:
    """Return a line for each change that breaks readers of a recorded release."""
    # The round trip through JSON converts tuples to lists, as in the recorded data.
    now = json.loads(_json(compatibility.describe_classes(history.vocabulary())))
    documents = compatibility.describe_documents(json_schema.generate())
    changes = []
    for path in sorted(released.glob("*.json")):
        old = json.loads(path.read_text("utf-8"))
        if "classes" in old:
            lines = compatibility.compare_classes(old["classes"], now)
        elif "messages" in old:
            same = old["package"] == proto.PACKAGE
            lines = (
                compatibility.compare_messages(old["messages"], describe_messages())
                if same
                else []
            )
        elif _major(old) == _major(documents):
            lines = compatibility.compare_documents(old, documents)
        else:
            continue
        changes += [f"against {path.stem}: {line}" for line in lines]
    return changes


def describe_messages() -> dict[str, Any]:
    """Return the messages as plain data: a dict of field name to number, type and label."""
    by_name = proto.numbered_messages(proto.assign_numbers(read_numbers()))
    return {name: {f.name: list(f[1:]) for f in fields} for name, fields in by_name.items()}


def _major(snapshot: dict[str, Any]) -> str:
    version: str = snapshot["apiVersion"]
    return version.partition(".")[0]


def record_release(released: Path) -> None:
    """Record the present classes, messages and documents as released."""
    classes = compatibility.describe_classes(history.vocabulary())
    version = document.API_VERSION.rpartition("/")[2]
    for name, data in (
        (CURRENT_RELEASE, {"classes": classes}),
        (f"protobuf-{version}", {"messages": describe_messages(), "package": proto.PACKAGE}),
        (f"document-{version}", compatibility.describe_documents(json_schema.generate())),
    ):
        (released / f"{name}.json").write_text(_json(data), "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check, and return the exit code: 1 for a difference or a breaking change."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract", description=__doc__)
    parser.add_argument("--write", action="store_true", help="generate the schemas")
    parser.add_argument("--release", action="store_true", help="record the present state")
    options = parser.parse_args(arguments)
    folder = ROOT / json_schema.FOLDER
    if options.write:
        write(folder)
    if options.release:
        record_release(RELEASED)
    lines = [*find_stale_files(folder), *find_breaking_changes(RELEASED)]
    for line in lines:
        print(line)
    if lines:
        print("Generate the schemas with --write, and undo changes that break readers.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
