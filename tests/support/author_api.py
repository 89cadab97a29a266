# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The names for authors of plugins, and the promises of the page "Stability of the authors' API".

The record ``data/author_api.json`` has the names for authors of plugins, with the parameters of each.
A promise is broken if a recorded name or parameter is gone, if a recorded parameter is moved or
becomes mandatory, or if a new parameter is mandatory. ``python -m tests.support.author_api`` adds
new names and parameters to the record, and refuses to record a broken promise.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from os_vif import privsep

RECORD = Path(__file__).parent / "data" / "author_api.json"
#: The modules that the page names.
MODULES = (
    "os_vif",
    "os_vif.plugin",
    "os_vif.privsep",
    "os_vif.recognition",
    "os_vif.steps",
    "os_vif.testing",
    "os_vif.testing.pytest_plugin",
    "os_vif.vif_fields",
)
#: Names in the modules that are no part of the promise.
_NO_PROMISE = ("pytest_configure", "PluggedVIF")
#: The docstring of a method that is public for other modules of os-vif only.
_INTERNAL = ("For os-vif only", ":meta private:")
Api = dict[str, list[list[Any]]]


def read_api() -> Api:
    """Return the parameters of each name, as lists of name, kind, and whether it is optional."""
    return dict(sorted(_names()))


def _names() -> Iterator[tuple[str, list[list[Any]]]]:
    for path in MODULES:
        module = importlib.import_module(path)
        for name in getattr(module, "__all__", None) or _defined(module):
            value = getattr(module, name)
            yield f"{path}.{name}", _parameters(value)
            for method in _methods(value) if inspect.isclass(value) else ():
                yield f"{path}.{name}.{method}", _parameters(getattr(value, method))
    from os_vif.testing.conformance_checks import CHECKS

    for check in CHECKS:
        yield f"the check {check!r}", []


def _defined(module: Any) -> list[str]:
    """Return the public names that a module without ``__all__`` defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name not in _NO_PROMISE
        and getattr(value, "__module__", None) == module.__name__
    ]


def _methods(kind: type) -> list[str]:
    """Return the public methods of a class for authors, with the methods of base classes."""
    if kind is privsep.Context:
        # The methods of the base class, which are those of oslo.privsep, are for the engine.
        return ["entry_points"]
    return [
        name
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_")
        and callable(value)
        and not any(text in (value.__doc__ or "") for text in _INTERNAL)
        and (getattr(value, "__module__", None) or "").startswith("os_vif")
    ]


def _parameters(value: Any) -> list[list[Any]]:
    """Return the parameters of a function or class; the members of an enumeration."""
    if isinstance(value, enum.EnumMeta):
        return [[name, "KEYWORD_ONLY", True] for name in value.__members__]
    # The signatures of exceptions and fixtures depend on the releases of Python and of pytest.
    if not callable(value) or (inspect.isclass(value) and issubclass(value, BaseException)):
        return []
    if type(value).__name__ == "FixtureFunctionDefinition" or hasattr(
        value, "_pytestfixturefunction"
    ):
        return []
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return []
    return [
        [p.name, p.kind.name, p.default is not p.empty or p.kind.name.startswith("VAR_")]
        for p in signature.parameters.values()
    ]


def broken(recorded: Api, present: Api) -> list[str]:
    """Return a sentence for each broken promise."""
    faults = []
    for name, before in recorded.items():
        if name not in present:
            faults.append(f"{name} is gone; expected the name until the next major release")
            continue
        faults += [f"{name}: {fault}" for fault in _broken_call(before, present[name])]
    return faults


def _broken_call(before: list[list[Any]], after: list[list[Any]]) -> Iterator[str]:
    """Yield a sentence for each call that was possible and is not any more."""
    now = {name: (number, kind, optional) for number, (name, kind, optional) in enumerate(after)}
    for number, (name, kind, was_optional) in enumerate(before):
        if name not in now:
            yield f"the parameter {name} is gone"
            continue
        place, present, is_optional = now[name]
        if kind != present and (kind, present) != ("KEYWORD_ONLY", "POSITIONAL_OR_KEYWORD"):
            yield f"the parameter {name} was {kind}, and is {present}"
        elif kind.startswith("POSITIONAL") and place != number:
            yield f"the parameter {name} was number {number + 1}, and is number {place + 1}"
        if was_optional and not is_optional:
            yield f"the parameter {name} was optional, and is mandatory"
    known = {name for name, _, _ in before}
    for name, _, is_optional in after:
        if name not in known and not is_optional:
            yield f"the new parameter {name} is mandatory"


def read_record() -> Api:
    """Return the recorded names."""
    recorded: Api = json.loads(RECORD.read_text("utf-8"))
    return recorded


def main() -> int:
    """Add new names and parameters to the record; return the exit status."""
    present = read_api()
    faults = broken(read_record() if RECORD.exists() else {}, present)
    if faults:
        sys.stderr.write("\n".join([*faults, ""]))
        return 1
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in present.items()]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
