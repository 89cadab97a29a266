# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The options ``--only`` and ``--skip``: a selection of objects by namespace or reason."""

from __future__ import annotations

import argparse
import fnmatch
from typing import NamedTuple

from os_vif import exception
from os_vif.cmd.store.json_scanner import Chunk

_SUBJECTS = ("namespace", "reason")


class Condition(NamedTuple):
    """A condition of an option: a subject, and a pattern as in a shell."""

    subject: str
    pattern: str


class Selection(NamedTuple):
    """The conditions of the options ``--only`` and ``--skip``."""

    only: tuple[Condition, ...] = ()
    skip: tuple[Condition, ...] = ()

    @property
    def has_reasons(self) -> bool:
        """True if a condition is about faults."""
        return any(each.subject == "reason" for each in (*self.only, *self.skip))

    def selects_chunk(self, chunk: Chunk) -> bool:
        """Return whether an object has a selected namespace; invalid JSON has no namespace."""
        from os_vif.operations.stores import store_survey
        from os_vif.serialization import json_text

        if not any(each.subject == "namespace" for each in (*self.only, *self.skip)):
            return True
        try:
            namespace = store_survey.namespace_of(json_text.parse(chunk.data)) or ""
        except exception.SerializationError:
            namespace = ""
        return self._selects("namespace", namespace)

    def selects_error(self, error: exception.SerializationError) -> bool:
        """Return whether an error has a selected reason."""
        from os_vif.operations.stores import store_survey

        return self._selects("reason", store_survey.reason_of(error))

    def _selects(self, subject: str, value: str) -> bool:
        only = [each.pattern for each in self.only if each.subject == subject]
        skip = [each.pattern for each in self.skip if each.subject == subject]
        is_named = not only or any(fnmatch.fnmatchcase(value, pattern) for pattern in only)
        return is_named and not any(fnmatch.fnmatchcase(value, pattern) for pattern in skip)


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options ``--only`` and ``--skip``."""
    for name, text in (("only", "other objects than those"), ("skip", "the objects")):
        parser.add_argument(
            f"--{name}",
            type=_condition,
            action="append",
            default=[],
            metavar="namespace=PATTERN|reason=PATTERN",
            help=f"leave out {text} of a namespace, or with a fault, that matches a pattern such as "
            "'kube-*'; may be repeated; survey prints the reasons",
        )


def parse_selection(parsed_args: argparse.Namespace) -> Selection:
    """Return the selection of the options."""
    return Selection(tuple(parsed_args.only), tuple(parsed_args.skip))


def _condition(text: str) -> Condition:
    subject, separator, pattern = text.partition("=")
    if subject not in _SUBJECTS or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not namespace=PATTERN or reason=PATTERN")
    return Condition(subject, pattern)
