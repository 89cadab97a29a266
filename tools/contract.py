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


def generated() -> dict[str, str]:
    """Return the files generated from the classes, as a dict of name to text."""
    numbers = proto.numbered(recorded())
    return {
        json_schema.FILE: folded(json_schema.generate()) + "\n",
        openapi.FILE: folded(openapi.generate()) + "\n",
        kuryrport.FILE: _yaml(kuryrport.generate()),
        proto.MESSAGES: proto.text(numbers, proto.messages(numbers)),
    }


def _numbers() -> Path:
    """Return the path of the recorded field numbers of messages. Numbers are never removed."""
    return ROOT / "data" / proto.NUMBERS


def recorded() -> proto.Numbers:
    """Return the recorded numbers of the fields of messages."""
    path = _numbers()
    numbers: proto.Numbers = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return numbers


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True, default=repr) + "\n"


def folded(data: Any, indent: str = "", name: str = "") -> str:
    """Return JSON with every object and array on a single line, if it fits.

    A changed field then is a changed line.
    """
    line = f"{indent}{name}{json.dumps(data, sort_keys=True)}"
    if len(line) < _WIDTH or not isinstance(data, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(data, dict):
        items = [folded(data[key], deeper, f"{json.dumps(key)}: ") for key in sorted(data)]
        opening, closing = "{}"
    else:
        items = [folded(item, deeper) for item in data]
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


def stale(folder: Path) -> list[str]:
    """Return a line for each committed file that differs from the generated file."""
    wanted = generated()
    there = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*"))}
    return [
        *(
            []
            if proto.numbered(recorded()) == recorded()
            else [f"{proto.NUMBERS}: a number is missing"]
        ),
        *(f"{name}: it is missing" for name in wanted if name not in there),
        *(f"{name}: nothing makes it" for name in there if name not in wanted),
        *(
            f"{name}: it is not what the classes make"
            for name, text in wanted.items()
            if there.get(name, text) != text
        ),
    ]


def write(folder: Path) -> None:
    """Write the generated files, and delete all other files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _numbers().write_text(_json(proto.numbered(recorded())), "utf-8")
    wanted = generated()
    for path in folder.glob("*"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, "utf-8")


def broken(released: Path) -> list[str]:
    """Return a line for each change that breaks readers of a recorded release."""
    # The round trip through JSON converts tuples to lists, as in the recorded data.
    now = json.loads(_json(compatibility.described(history.vocabulary())))
    documents = compatibility.snapshot(json_schema.generate())
    found = []
    for path in sorted(released.glob("*.json")):
        old = json.loads(path.read_text("utf-8"))
        if "classes" in old:
            lines = compatibility.compare_classes(old["classes"], now)
        elif "messages" in old:
            same = old["package"] == proto.PACKAGE
            lines = compatibility.compare_messages(old["messages"], messages()) if same else []
        elif _major(old) == _major(documents):
            lines = compatibility.compare_documents(old, documents)
        else:
            continue
        found += [f"against {path.stem}: {line}" for line in lines]
    return found


def messages() -> dict[str, Any]:
    """Return the messages as plain data: a dict of field name to number, type and label."""
    found = proto.messages(proto.numbered(recorded()))
    return {name: {f.name: list(f[1:]) for f in fields} for name, fields in found.items()}


def _major(snapshot: dict[str, Any]) -> str:
    version: str = snapshot["apiVersion"]
    return version.partition(".")[0]


def release(released: Path) -> None:
    """Record the present classes, messages and documents as released."""
    classes = compatibility.described(history.vocabulary())
    version = document.API_VERSION.rpartition("/")[2]
    for name, data in (
        (CURRENT_RELEASE, {"classes": classes}),
        (f"protobuf-{version}", {"messages": messages(), "package": proto.PACKAGE}),
        (f"document-{version}", compatibility.snapshot(json_schema.generate())),
    ):
        (released / f"{name}.json").write_text(_json(data), "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.contract", description=__doc__)
    parser.add_argument("--write", action="store_true", help="generate the schemas")
    parser.add_argument("--release", action="store_true", help="record the present state")
    chosen = parser.parse_args(arguments)
    folder = ROOT / json_schema.FOLDER
    if chosen.write:
        write(folder)
    if chosen.release:
        release(RELEASED)
    found = [*stale(folder), *broken(RELEASED)]
    for line in found:
        print(line)
    if found:
        print("Write the schemas with --write; what breaks a reader has to be undone.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
