# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif compare``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.exit_codes import EXIT_DRIFT
from os_vif.cmd.store import files, selection
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import StoreCommand

# ``os-vif --help`` loads this module: codecs are imported when the command runs.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from os_vif.cmd.store import visitor
    from os_vif.cmd.store.stored_entry import StoredEntry


class Compare(StoreCommand, main.Lister):
    """Compare stored objects before and after a migration, object by object.

    VIFs are compared after decoding: another form or release of the same values is no difference.
    A KuryrPort is compared to the pod of the same namespace and name.
    """

    columns = ("Object", "Change", "Path", "Before", "After")
    _exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "before",
            metavar="BEFORE",
            help="JSON or YAML file with the old objects; '-' for standard input",
        )
        parser.add_argument(
            "after",
            metavar="AFTER",
            help="JSON or YAML file with the new objects; '-' for standard input",
        )
        selection.add_selection_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self._exit_code

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
        if parsed_args.before == parsed_args.after == files.STANDARD_STREAM:
            raise main.BadInputError("only one of BEFORE and AFTER can be standard input")
        return self.columns, self._rows(parsed_args)

    def _rows(self, parsed_args: argparse.Namespace) -> Iterator[tuple[str, ...]]:
        """Yield a row for each difference."""
        from os_vif.cmd.store import visitor
        from os_vif.operations.stores.store_comparison import Comparison

        selected = selection.parse_selection(parsed_args)
        names = [parsed_args.before, parsed_args.after]
        with visitor.open_sources(names) as sources, Comparison() as comparison:
            for source, add in zip(
                sources, (comparison.add_before, comparison.add_after), strict=True
            ):
                source.selection = selected
                _visit(source, add)
                source.log_summary()
            for difference in comparison.differences():
                self._exit_code = EXIT_DRIFT
                yield tuple(map(str, difference))
        self._exit_code = visitor.exit_code(sources) or self._exit_code


def _visit(source: visitor.Source, add: Callable[[str, Any], object]) -> None:
    """Call *add* with name and content of each object with VIFs in a file."""
    from os_vif.cmd.store import stored_entry

    def act(chunk: Chunk) -> Outcome:
        entry = None
        try:
            with stored_entry.translated_errors():
                entry = stored_entry.StoredEntry(chunk)
                if not entry.has_vifs:
                    return Outcome.EMPTY
                name, content = _named_content(entry)
        except exception.SerializationError as error:
            if source.selection.selects_error(error):
                # The same fault before and after is no difference.
                data = entry.data if entry else stored_entry.parsed_or_none(chunk)
                add(_name_in_store(data) or stored_entry.name_of(data), {"fault": str(error)})
            raise
        add(name, content)
        return Outcome.VALID

    source.visit(act)


def _named_content(entry: StoredEntry) -> tuple[str, dict[str, Any]]:
    """Return the name of an object, and the VIFs as plain data.

    :raises os_vif.exception.SerializationError: for an invalid object.
    """
    from os_vif.cmd.store.stored_entry import plain_data

    content = entry.read()
    objects = {entry.name: content} if entry.is_bare else content
    name = _name_in_store(entry.data)
    if name is None:
        ids = [getattr(obj, "id", None) or type(obj).__name__ for obj in objects.values()]
        name = ", ".join(ids)
    if entry.is_bare:
        return name, plain_data(content)
    return name, {interface: plain_data(obj) for interface, obj in objects.items()}


def _name_in_store(data: Any) -> str | None:
    """Return namespace and name of a Kubernetes object; a KuryrPort has the names of the pod."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or "name" not in metadata:
        return None
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if key in metadata)
