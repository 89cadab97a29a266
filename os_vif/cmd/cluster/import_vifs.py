# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif import``."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.exit_codes import EXIT_PARTIAL
from os_vif.cmd.store import files, object_output
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import StoreCommand
from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.cmd.store import visitor

LOG = logging.getLogger("os-vif")

_Found = tuple[str, "objects.VIFBase | exception.SerializationError"]


class Import(StoreCommand):
    """Make documents of VIFs from the stored data of another program."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "program",
            choices=("nova", "neutron", "libvirt", "kuryr", "zun"),
            help="the program that stored the data: network_info of nova's instance_info_caches; "
            "'openstack port show -f json'; the XML of a domain; annotated pods and KuryrPorts; "
            "cni_metadata of zun",
        )
        parser.add_argument(
            "files",
            nargs="*",
            default=["-"],
            metavar="FILE",
            help="file with the data; standard input by default, or for '-'",
        )
        for name in ("network", "subnet"):
            parser.add_argument(
                f"--{name}",
                action="append",
                default=[],
                metavar="FILE",
                help=f"for neutron: JSON or YAML file with {name}s of the ports, as 'openstack {name} show "
                "-f json' prints; may be repeated",
            )
        object_output.add_format_option(
            parser,
            "json with a line for each VIF, or yaml with a document for each VIF; by default json",
            default="json",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.program == "libvirt":
            return _import_domains(parsed_args.files, parsed_args.format)
        read = _reader_of(parsed_args)
        from os_vif.cmd.store import visitor

        with visitor.open_sources(parsed_args.files) as sources:
            with files.open_output(files.STANDARD_STREAM, [s.file for s in sources]) as out:
                write = _vif_writer(out, parsed_args.format)
                for source in sources:
                    _import_objects(source, read, write)
            return visitor.exit_code(sources)


def _reader_of(parsed_args: argparse.Namespace) -> Callable[[Chunk], Iterable[_Found]]:
    """Return the function that yields the VIFs of an object of the program."""
    from os_vif.cmd.store.stored_entry import StoredEntry
    from os_vif.operations import imports
    from os_vif.serialization import json_text, storage

    if parsed_args.program == "nova":
        return lambda chunk: imports.vifs_of_nova(json_text.parse(chunk.data))
    if parsed_args.program == "neutron":
        networks, subnets = (_by_id(names) for names in (parsed_args.network, parsed_args.subnet))
        return lambda chunk: [
            ("", imports.vif_of_client_port(json_text.parse(chunk.data), networks, subnets))
        ]

    def read_stored(chunk: Chunk) -> Iterator[_Found]:
        if parsed_args.program == "zun":
            data = json_text.parse(chunk.data)
            if isinstance(data, dict) and "cni_metadata" in data:
                content = storage.read(data["cni_metadata"])
                yield from content.items()
                return
        content = StoredEntry(chunk).read()
        yield from content.items() if isinstance(content, dict) else [("", content)]

    return read_stored


def _by_id(names: list[str]) -> dict[str, Any]:
    """Return the objects of JSON files by id.

    :raises BadInputError: for a file that cannot be read, or an object without id.
    """
    from os_vif.cmd.store import visitor
    from os_vif.serialization import json_text

    found: dict[str, Any] = {}
    with visitor.open_sources(names) as sources:
        for source in sources:

            def add(chunk: Chunk) -> Outcome:
                data = json_text.parse(chunk.data)
                identity = data.get("id") if isinstance(data, dict) else None
                if not isinstance(identity, str):
                    raise exception.InvalidValue(
                        path="id", found="nothing", expected="the id of a network or subnet"
                    )
                found[identity] = data
                return Outcome.VALID

            source.visit(add)
        if visitor.exit_code(sources):
            raise main.BadInputError("--network, --subnet: an object cannot be read, see above")
    return found


def _import_objects(
    source: visitor.Source,
    read: Callable[[Chunk], Iterable[_Found]],
    write: Callable[[objects.VIFBase], object],
) -> None:
    """Write a document for each VIF of a file."""
    from os_vif.cmd.store.diagnostics import Diagnostic

    def act(chunk: Chunk) -> Outcome:
        outcome = Outcome.VALID
        for path, vif in read(chunk):
            if isinstance(vif, exception.SerializationError):
                source.report(
                    LOG.error, chunk, [Diagnostic(chunk.line, "", _described(path, vif))]
                )
                outcome = Outcome.INVALID
            else:
                write(vif)
        return outcome

    source.visit(act)


def _import_domains(names: list[str], output_format: str) -> int:
    """Write a document for each interface of the domains; return the exit code."""
    from os_vif.operations import imports

    code = 0
    texts = []
    for name in names:
        with files.open_input(name) as file:
            texts.append(file.read(imports.MAX_XML_BYTES + 1))
    with files.open_output(files.STANDARD_STREAM, []) as out:
        write = _vif_writer(out, output_format)
        for name, text in zip(names, texts, strict=True):
            try:
                for path, vif in imports.vifs_of_domain(text):
                    if isinstance(vif, exception.SerializationError):
                        LOG.error("%s: %s", files.title_of(name), _described(path, vif))
                        code = EXIT_PARTIAL
                    else:
                        write(vif)
            except exception.MalformedDocument as error:
                LOG.error("%s: %s", files.title_of(name), printable(str(error)))  # noqa: TRY400
                code = EXIT_PARTIAL
    return code


def _described(path: str, error: exception.SerializationError) -> str:
    """Return path and message of an error; the path in an entry follows the path of the entry."""
    from os_vif.codec.path import joined

    inner = error.path if error.path.startswith(path) else joined(path, error.path)
    return printable(f"{inner}: found {error.found}; expected {error.expected}")


def _vif_writer(out: files.Output, output_format: str) -> Callable[[objects.VIFBase], object]:
    """Return a function that writes the document of a VIF."""
    from os_vif import serialization

    write = object_output.object_writer(out, output_format)
    return lambda vif: write(serialization.to_document(vif))
