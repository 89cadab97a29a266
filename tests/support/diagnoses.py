# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The diagnostics of ``os-vif validate`` for an object."""

from __future__ import annotations

from os_vif import exception
from os_vif.cmd.store import diagnostics, stored_entry
from os_vif.cmd.store.json_scanner import Chunk


def all_errors(chunk: Chunk) -> list[diagnostics.Diagnostic]:
    """Return all errors of a stored entry or of an unrecognized object."""
    try:
        with stored_entry.translated_errors():
            return diagnostics.all_errors(stored_entry.StoredEntry(chunk))
    except exception.MalformedDocument as error:
        return diagnostics.text_errors(chunk, error)
    except exception.SerializationError as error:
        return [diagnostics.first_error(chunk, error)]
