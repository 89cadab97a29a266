# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif convert``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.store import files, object_output, selection, yaml_input
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.selection import Selection
from os_vif.cmd.store.store_command import FilesCommand

# ``os-vif --help`` loads this module: codecs are imported when the command runs.
if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.cmd.store import visitor
    from os_vif.cmd.store.conversion_target import Target
    from os_vif.codec.unknown import Loss

_LIST_HEAD, _LIST_SEPARATOR, _LIST_TAIL = (
    b'{"apiVersion":"v1","kind":"List","items":[\n',
    b",\n",
    b"\n]}\n",
)


class Convert(FilesCommand):
    """Convert stored objects for another release, or into another form."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from os_vif import serialization

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--release",
            help="release of the reader: of os-vif, such as 1.14.0, or of kuryr, such as "
            "kuryr-6.0.1; by default this release",
        )
        parser.add_argument(
            "--form",
            choices=serialization.FORMS,
            help="form of the output; by default the newest form that the release reads",
        )
        parser.add_argument(
            "--allow-loss",
            action="store_true",
            help="also convert objects that lose data, and report the losses; by default such objects "
            "are copied unchanged",
        )
        parser.add_argument(
            "--kuryrports",
            action="store_true",
            help="write KuryrPorts (kuryr 3.0 and later) in place of annotated pods",
        )
        selection.add_selection_options(parser)
        object_output.add_format_option(
            parser,
            "json, or yaml with a document for each object; by default yaml for an output file whose "
            "name ends with .yaml or .yml, else json; with --check, by default lines of text",
        )
        parser.add_argument(
            "--patch",
            action="store_true",
            help="write a line of JSON for each changed object, with kind, namespace, name and "
            "a JSON patch (RFC 6902) for 'kubectl patch --type json'",
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "-o",
            "--output",
            default="-",
            metavar="FILE",
            help="output file; by default, or for '-', standard output",
        )
        where.add_argument(
            "--in-place", action="store_true", help="replace each input file with the output"
        )
        where.add_argument(
            "--check",
            action="store_true",
            help="write no objects; print the outcome for each object",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store.conversion_target import parse_target

        if parsed_args.in_place and "-" in parsed_args.files:
            raise main.BadInputError("--in-place needs FILE arguments")
        if parsed_args.in_place and parsed_args.kuryrports:
            raise main.BadInputError(
                "--kuryrports cannot be combined with --in-place: a KuryrPort does not replace the pod"
            )
        if parsed_args.patch and (
            parsed_args.in_place or parsed_args.kuryrports or parsed_args.check
        ):
            raise main.BadInputError(
                "--patch cannot be combined with --in-place, --kuryrports or --check"
            )
        conversion = Conversion(
            parse_target(parsed_args.form, parsed_args.release),
            allow_loss=parsed_args.allow_loss,
            kuryrports=parsed_args.kuryrports,
            patches=parsed_args.patch,
            selection=selection.parse_selection(parsed_args),
        )
        if conversion.target.is_binary and (conversion.patches or parsed_args.format):
            option = "--patch" if conversion.patches else "--format"
            raise main.BadInputError(f"{option} needs a form of JSON")
        output = None if parsed_args.in_place else parsed_args.output
        return convert_files(
            conversion,
            parsed_args.files,
            output,
            output_format=parsed_args.format,
            check=parsed_args.check,
        )


class Conversion(NamedTuple):
    """The options of a conversion."""

    target: Target
    #: Convert objects with losses, too.
    allow_loss: bool = False
    #: Write the KuryrPorts of pods.
    kuryrports: bool = False
    #: Write JSON patches.
    patches: bool = False
    #: The objects to convert.
    selection: Selection = Selection()

    def convert_file(self, source: visitor.Source, out: files.Output, output_format: str) -> None:
        """Write all objects of a file; an object with an error is written unchanged.

        :raises BadInputError: for several objects, or none, in a binary form; and for an object with
            an error that is not JSON and cannot be written as YAML.
        """
        write = (
            out.write if output_format == "json" or self.target.is_binary else _yaml_writer(out)
        )

        def act(chunk: Chunk) -> Outcome:
            result = self._convert(source, chunk)
            write(result.data)
            return result.outcome

        def keep(chunk: Chunk) -> None:
            if output_format == "json":
                out.write(chunk.data)
            elif chunk.is_object:
                try:
                    write(chunk.data)
                except exception.MalformedDocument as error:
                    raise main.BadInputError(
                        f"{source.title}:{chunk.line}: the object cannot be written as YAML: {error}"
                    ) from error

        source.visit(act, failure=Outcome.FAILED, keep=keep, is_single=self.target.is_binary)

    def check_file(self, source: visitor.Source, out: files.Output, output_format: str) -> None:
        """Write a line or a document about each object of a file, instead of the object."""
        from os_vif.cmd.store import visitor
        from os_vif.cmd.store.diagnostics import Diagnostic

        if output_format != "text":
            self._write_outcomes(source, object_output.object_writer(out, output_format))
            return
        write = visitor.line_writer(out)

        def act(chunk: Chunk) -> Outcome:
            result = self._convert(source, chunk)
            message = str(result.outcome)
            if result.losses:
                message += f", without {'; '.join(map(str, result.losses))}"
            source.report(write, chunk, [Diagnostic(chunk.line, "", message)])
            return result.outcome

        source.visit(act, failure=Outcome.FAILED, write_error=write)

    def _write_outcomes(self, source: visitor.Source, write: Callable[[Any], object]) -> None:
        """Write the outcome of each object of a file as plain data."""
        from os_vif.cmd.store import stored_entry

        def act(chunk: Chunk) -> Outcome:
            result = self._convert(source, chunk)
            name = stored_entry.name_of(stored_entry.parsed_or_none(chunk))
            place = {"file": source.title, "line": chunk.line, "object": name}
            losses = [str(loss) for loss in result.losses]
            write(place | {"outcome": str(result.outcome), "losses": losses})
            return result.outcome

        def write_error(message: visitor.Message) -> object:
            return write(message.to_record() | {"outcome": str(Outcome.FAILED)})

        source.visit(act, failure=Outcome.FAILED, write_error=write_error)

    def list_kuryrports(
        self, source: visitor.Source, out: files.Output, output_format: str
    ) -> None:
        """Write the KuryrPorts of the pods of a file: a list of Kubernetes, or documents of YAML."""
        if output_format == "yaml":
            write = _yaml_writer(out)

            def act_yaml(chunk: Chunk) -> Outcome:
                result = self._convert(source, chunk)
                if result.outcome is Outcome.CONVERTED:
                    write(result.data)
                return result.outcome

            source.visit(act_yaml, failure=Outcome.FAILED)
            return
        before = _LIST_HEAD

        def act(chunk: Chunk) -> Outcome:
            nonlocal before
            result = self._convert(source, chunk)
            if result.outcome is Outcome.CONVERTED:
                out.write(before + result.data)
                before = _LIST_SEPARATOR
            return result.outcome

        source.visit(act, failure=Outcome.FAILED)
        out.write((before if before is _LIST_HEAD else b"") + _LIST_TAIL)

    def write_patches(self, source: visitor.Source, out: files.Output, output_format: str) -> None:
        """Write a line or a document with a JSON patch for each object that changes."""
        from os_vif.cmd.store import stored_entry
        from os_vif.operations.stores.json_patch import json_patch
        from os_vif.serialization import json_text

        write = object_output.object_writer(out, output_format)

        def act(chunk: Chunk) -> Outcome:
            result = self._convert(source, chunk)
            if result.outcome is Outcome.CONVERTED:
                before, after = json_text.parse(chunk.data), json_text.parse(result.data)
                write({**stored_entry.names_of(before), "patch": json_patch(before, after)})
            return result.outcome

        source.visit(act, failure=Outcome.FAILED)

    def _convert(self, source: visitor.Source, chunk: Chunk) -> _Result:
        """Return an object converted.

        :raises os_vif.exception.SerializationError: if the object is invalid or would lose data.
        """
        from os_vif.cmd.store.stored_entry import StoredEntry

        entry = StoredEntry(chunk)
        write = entry.write_kuryrport if self.kuryrports else entry.write
        data, losses = write(entry.read(), self.target)
        source.counts.add_losses(losses)
        if losses and not self.allow_loss:
            reader = self.target.release or self.target.form
            raise exception.DataLoss(reader=reader, losses=losses)
        if not entry.has_vifs:
            return _Result(data, losses, Outcome.EMPTY)
        is_changed = data != chunk.data
        return _Result(data, losses, Outcome.CONVERTED if is_changed else Outcome.UNCHANGED)


def _yaml_writer(out: files.Output) -> Callable[[bytes], object]:
    """Return a function that writes JSON text as a document of YAML.

    The function raises MalformedDocument for other text.
    """
    from os_vif.serialization import json_text

    write = object_output.object_writer(out, "yaml")
    return lambda data: write(json_text.parse(data))


def _format_of_name(name: str) -> str:
    """Return the format that the name of an output file asks for."""
    return "yaml" if yaml_input.is_yaml_name(name) else "json"


class _Result(NamedTuple):
    data: bytes
    losses: list[Loss]
    outcome: Outcome


def convert_files(
    conversion: Conversion,
    names: list[str],
    output: str | None,
    *,
    output_format: str | None = None,
    check: bool = False,
) -> int:
    """Convert the objects of files; return the exit code.

    :param names: paths, or ``-`` for standard input.
    :param output: the path of the output, or ``-`` for standard output; None to replace each file.
    :param output_format: ``json`` or ``yaml``; None if the name of the output decides, or, with
        *check*, for text.
    :param check: write a line about each object instead.
    :raises BadInputError: for a file that cannot be read or split. No file was replaced.
    :raises OutputError: if the output cannot be written. The old file is unchanged.
    """
    from os_vif.cmd.store import visitor

    convert = conversion.convert_file
    if check:
        convert = conversion.check_file
    elif conversion.kuryrports:
        convert = conversion.list_kuryrports
    elif conversion.patches:
        convert = conversion.write_patches
    with visitor.open_sources(names) as sources:
        for source in sources:
            source.selection = conversion.selection
        if output is None:
            for source in sources:
                with files.replace_input(source.name, source.file) as out:
                    convert(source, out, output_format or _format_of_name(source.name))
                source.log_summary(is_lost=conversion.allow_loss)
        else:
            with files.open_output(output, [source.file for source in sources]) as out:
                chosen = output_format or ("text" if check else _format_of_name(output))
                for source in sources:
                    convert(source, out, chosen)
            for source in sources:
                source.log_summary(is_lost=conversion.allow_loss)
    return visitor.exit_code(sources)
