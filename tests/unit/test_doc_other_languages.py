# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The examples of the page on other languages run if the language is installed."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import textwrap

import jsonschema
import pytest

from os_vif import serialization
from os_vif.serialization import schema
from os_vif.serialization.protobuf import message_types
from os_vif.serialization.schema import json_schema
from tests.support.data.document_samples import VIF, vif

PAGE = pathlib.Path(__file__).parents[2] / "doc" / "source" / "developers" / "other_languages.rst"


def block(language, word=""):
    """Return the first code block of a language that contains a word."""
    blocks = re.findall(rf"code-block:: {language}\n\n((?:   .*\n|\n)+)", PAGE.read_text("utf-8"))
    return next(textwrap.dedent(text) for text in blocks if word in text)


def node(document):
    if shutil.which("node") is None:
        pytest.skip("node (nodejs) is not installed")
    return subprocess.run(
        ["node", "-e", block("javascript")], input=document, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_javascript_reads_a_document():
    """The program of the page reads a document of this library."""
    done = node(serialization.dumps(vif()))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "tap11111111-11 10.0.0.5 in 10.0.0.0/24",
        "tap11111111-11 2001:db8::5 in 2001:db8::/64",
    ]
    assert node(json.dumps(VIF)).stdout == done.stdout
    newer = serialization.dumps(vif()).replace("os-vif/2.0", "os-vif/3.0")
    assert "os-vif/3.0 is not read here" in node(newer).stderr


def test_sentence_of_a_validator():
    """A mistake in a nested VIF is reported with the path and the message on the page."""
    nested = {"kind": "VIFBridge", "network": {"mtu": "1450"}}
    pod = {"apiVersion": "os-vif/2.0", "kind": "PodState", "default_vif": nested}
    validator = jsonschema.Draft202012Validator(schema.load("PodState"))
    (error,) = validator.iter_errors(pod)
    line = block("console", "check-jsonschema").strip().splitlines()[-1].strip()
    assert line == f"pod.json::{error.json_path}: {error.message}"


def test_the_command_of_protoc(tmp_path):
    """The command of the page works with the ``.proto`` file of the package."""
    pytest.importorskip("google.protobuf", reason="os-vif[protobuf] is not installed")
    if shutil.which("protoc") is None:
        pytest.skip("protoc (protobuf-compiler) is not installed")
    (tmp_path / message_types.MESSAGES).write_text(
        json_schema.read(message_types.MESSAGES), "utf-8"
    )
    (tmp_path / "vif.bin").write_bytes(serialization.dumps(vif(), form="protobuf"))
    command = block("console", "protoc").strip().removeprefix("$ ")
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert 'vif_name: "tap11111111-11"' in done.stdout
