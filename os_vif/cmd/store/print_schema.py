# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif schema``."""

from __future__ import annotations

import argparse
import io
import json

from os_vif.cmd import main
from os_vif.cmd.store import files, object_output
from os_vif.cmd.store.store_command import StoreCommand

KURYRPORT = "KuryrPort"


class Schema(StoreCommand):
    """Print the JSON Schema of stored objects."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        from os_vif import serialization

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "kind",
            nargs="?",
            default="VIF",
            metavar="KIND",
            help="class of the objects, such as VIFBridge; by default VIF, for all VIF classes",
        )
        parser.add_argument(
            "--release",
            help="release of the writer: of os-vif, such as 1.14.0, or of kuryr, such as "
            "kuryr-6.0.1; by default this release",
        )
        parser.add_argument(
            "--form",
            choices=serialization.FORMS,
            help="form of the objects; by default the newest form that the release writes",
        )
        parser.add_argument(
            "--kubernetes",
            action="store_true",
            help="print a structural schema, for a CustomResourceDefinition of Kubernetes",
        )
        object_output.add_format_option(
            parser,
            "json or yaml; by default json, and yaml for KuryrPort with --kubernetes",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.objects.versioning.releases import CURRENT_RELEASE
        from os_vif.serialization import json_text, yaml_text

        text = schema_text(
            parsed_args.kind,
            parsed_args.form,
            parsed_args.release or CURRENT_RELEASE,
            kubernetes=parsed_args.kubernetes,
        )
        if parsed_args.format:
            data = json_text.parse("".join(yaml_text.json_pieces(io.BytesIO(text.encode()).read)))
            text = object_output.compose(data, parsed_args.format) + "\n"
        with files.open_output(files.STANDARD_STREAM, []) as out:
            out.write(text.encode())
        return 0


def schema_text(kind: str, form: str | None, release: str, *, kubernetes: bool) -> str:
    """Return a schema as JSON, or the custom resource definition of ``KuryrPort`` as YAML.

    :raises BadInputError: for a form without a schema.
    :raises os_vif.exception.SerializationError: if the release has no such kind.
    """
    from os_vif.cmd.store.conversion_target import parse_target
    from os_vif.codec import document, primitive
    from os_vif.serialization import schema

    target = parse_target(form, release)
    if target.form not in {document.FORM, primitive.FORM}:
        raise main.BadInputError(f"--form: the form {target.form!r} has no JSON Schema")
    if kubernetes and target.form != document.FORM:
        raise main.BadInputError("--kubernetes: only documents have a structural schema")
    if kind == KURYRPORT and kubernetes:
        return schema.load_kuryrport()
    if kubernetes:
        data = schema.load_structural(kind)
    elif target.form == document.FORM:
        data = schema.load(kind)
    else:
        data = schema.load_primitive(kind, release)
    return json.dumps(data, indent=2) + "\n"
