# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Directives that generate the reference of commands and options.

``autoprogram-cliff``
    the directive of cliff, for help texts that are plain text;
``options-sample``
    a sample of the configuration file, with the options of a namespace of oslo.config.

cliff parses help texts as reStructuredText. The commands of os-vif write help texts for a terminal:
an asterisk or a backquote has no meaning there, and an epilog has indented lines. The directive
escapes the texts of options, and shows an epilog as it is printed.
"""

from __future__ import annotations

import argparse
import io
import textwrap

from cliff import sphinxext
from docutils import nodes
from oslo_config import cfg, generator
from sphinx.application import Sphinx
from sphinx.util import rst
from sphinx.util.docutils import SphinxDirective


def _literal_block(text: str) -> str:
    return ".. code-block:: text\n\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")


class CommandReference(sphinxext.AutoprogramCliffDirective):
    """The directive of cliff, with help texts escaped."""

    def _drop_ignored_options(self, parser: argparse.ArgumentParser, ignored: list[str]) -> None:
        """Drop options; convert the texts of the parser to reStructuredText."""
        super()._drop_ignored_options(parser, ignored)
        formatter = argparse.HelpFormatter(parser.prog)
        for action in parser._actions:  # noqa: SLF001 - argparse has no public list
            if action.help and action.help != argparse.SUPPRESS:
                text = formatter._expand_help(action)  # noqa: SLF001 - and no public expansion
                action.help = rst.escape(text)
        if parser.description:
            first, *rest = parser.description.strip().split("\n\n")
            parser.description = "\n\n".join(
                [rst.escape(first), *(_literal_block(text) for text in rest)]
            )
        if parser.epilog:
            parser.epilog = _literal_block(parser.epilog)


class OptionsSample(SphinxDirective):
    """The directive ``.. options-sample:: namespace``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sample as a literal block."""
        config = cfg.ConfigOpts()
        generator.register_cli_opts(config)
        config(["--namespace", self.arguments[0]], default_config_files=[], default_config_dirs=[])
        text = io.StringIO()
        generator.generate(config, output_file=text)
        block = nodes.literal_block(text.getvalue(), text.getvalue(), language="ini")
        self.set_source_info(block)
        return [block]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives; the first replaces the directive of cliff."""
    app.setup_extension("cliff.sphinxext")
    app.add_directive("autoprogram-cliff", CommandReference, override=True)
    app.add_directive("options-sample", OptionsSample)
    return {"parallel_read_safe": True}
