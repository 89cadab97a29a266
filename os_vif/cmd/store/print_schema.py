# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Prints the schemas of what is stored."""

from __future__ import annotations

import json
from typing import Any

from os_vif.cmd import main
from os_vif.cmd.store import convert, files
from os_vif.codec import document, primitive
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import schema

KURYRPORT = "KuryrPort"


def show(kind: str, form: str | None, release: str | None, *, kubernetes: bool) -> None:
    """Print a schema.

    :raises BadInputError: if there is none for that form.
    :raises os_vif.exception.SerializationError: if the release has no such kind.
    """
    target = convert.target(form, release or CURRENT_RELEASE)
    if target.form not in {document.FORM, primitive.FORM}:
        raise main.BadInputError(f"--form: the form {target.form!r} has no JSON Schema")
    if kubernetes and target.form != document.FORM:
        raise main.BadInputError("--kubernetes: only documents have that form")
    found: dict[str, Any] | str
    if kind == KURYRPORT and kubernetes:
        found = schema.load_kuryrport()
    elif kubernetes:
        found = schema.load_structural(kind)
    elif target.form == document.FORM:
        found = schema.load(kind)
    else:
        found = schema.load_primitive(kind, target.release or CURRENT_RELEASE)
    text = found if isinstance(found, str) else json.dumps(found, indent=2) + "\n"
    with files.writing(files.STANDARD, []) as out:
        out.write(text.encode())
