# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Directives for pictures and for tables of figures, rendered when the pages are built.

``drawing``
    a drawing of ``drawings.py`` or a sequence of ``sequences.py``, by name;
``performance-plot``
    a bar chart of the figures of a page; the content lists the measurements, ``:others:`` is the
    number of other ports;
``performance-table``
    a table of the figures of a page; the second argument is a name in ``charts.TABLES``;
``performance-conditions``
    machine, load and versions of a measurement;
``performance-missed``
    the table of missed goals;
``performance-conclusion``
    the main result of the figures of a page, as a sentence.

A picture is part of the page, as a ``data:`` URI, with a second layout for phones. ``:alt:`` is
required.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator

import bars
import charts
import drawings
import sequences
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from vocabulary import Generated, table

#: The smallest size of a picture, as a part of the full size.
SMALLEST = 0.8


class Picture(SphinxDirective):
    """A directive that renders an SVG picture."""

    required_arguments = 1
    option_spec = {"alt": directives.unchanged_required}

    def svg(self, title: str) -> str:
        """Return the picture with a title, as SVG."""
        raise NotImplementedError

    def narrow_svg(self, title: str) -> str | None:
        """Return the picture for a phone, or None if a phone shows the same picture."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the picture as HTML."""
        if "alt" not in self.options:
            raise self.error(f"{self.name} {self.arguments[0]} has no :alt: text")
        alt = self.options["alt"]
        try:
            wide, narrow = self.svg(alt), self.narrow_svg(alt)
        except LookupError as error:
            raise self.error(f"{self.name} {self.arguments[0]}: {error}") from None
        image = f'src="{_data(wide)}" alt="{html.escape(alt)}" loading="lazy"'
        if narrow is None:
            # The letters stay readable; on a narrow page the reader scrolls.
            least = SMALLEST * _width(wide)
            image = f'<img {image} style="min-width: {least:.0f}px">'
            text = f'<div class="picture" tabindex="0">{image}</div>'
        else:
            source = f'<source media="(max-width: 640px)" srcset="{_data(narrow)}">'
            text = f'<div class="picture"><picture>{source}<img {image}></picture></div>'
        node = nodes.raw("", text, format="html")
        self.set_source_info(node)
        return [node]


def _width(picture: str) -> int:
    """Return the width of a picture in pixels."""
    return int(picture.partition(' width="')[2].partition('"')[0])


def _data(picture: str) -> str:
    """Return the address of a picture that contains the picture."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"


class Drawing(Picture):
    """The directive ``.. drawing:: name``."""

    def svg(self, title: str) -> str:
        """Return the drawing, or the sequence with the name."""
        (name,) = self.arguments
        source = sequences if name in sequences.SEQUENCES else drawings
        self.env.note_dependency(source.__file__)
        return source.draw(name, title)

    def narrow_svg(self, title: str) -> str | None:
        """Return the drawing for a phone; a sequence and the picture of a host have none."""
        (name,) = self.arguments
        if name in sequences.SEQUENCES or name == "host":
            return None
        return drawings.draw(name, title, drawings.NARROW)


class PerformancePlot(Picture):
    """The directive ``.. performance-plot:: page``."""

    option_spec = {**Picture.option_spec, "others": directives.nonnegative_int}
    has_content = True

    def svg(self, title: str) -> str:
        """Return a chart of the listed measurements."""
        return self._chart(title, bars.WIDE)

    def narrow_svg(self, title: str) -> str:
        """Return the chart for a phone."""
        return self._chart(title, bars.NARROW)

    def _chart(self, title: str, layout: bars.Layout) -> str:
        (page,) = self.arguments
        for source in (charts.path(page), charts.__file__, bars.__file__):
            self.env.note_dependency(str(source))
        measurements = [line for line in self.content if line.strip()]
        others = self.options.get("others", 0)
        results = charts.load(page)
        figures = charts.select(charts.drawn(results), measurements, others)
        return bars.svg(figures, title, charts.sides(results), layout)


class _Figures(Generated):
    """A directive that generates text from the figures of a page."""

    required_arguments = 1

    def sources(self) -> Iterator[str]:
        """Yield the files that the text depends on."""
        yield from (str(charts.path(self.arguments[0])), charts.__file__)


class PerformanceTable(_Figures):
    """The directive ``.. performance-table:: page table``."""

    required_arguments = 2

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table."""
        page, name = self.arguments
        header, rows = charts.TABLES[name](charts.load(page))
        yield from table(header, rows)


class PerformanceConditions(_Figures):
    """The directive ``.. performance-conditions:: page``."""

    def lines(self) -> Iterator[str]:
        """Yield the paragraph."""
        yield charts.conditions(charts.load(self.arguments[0]))


class PerformanceMissed(_Figures):
    """The directive ``.. performance-missed:: page``."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table."""
        header, rows = charts.TABLES["missed"](charts.load(self.arguments[0]))
        if rows:
            yield from table(header, rows)
        else:
            yield "All goals are met."


class PerformanceConclusion(_Figures):
    """The directive ``.. performance-conclusion:: page``."""

    def lines(self) -> Iterator[str]:
        """Yield the sentence."""
        yield charts.conclusion(charts.load(self.arguments[0]))


def mark_printed_tables(_: Sphinx, document: nodes.document) -> None:
    """Give blocks with the table of a command a class: the lines of a table must not wrap."""
    for block in document.findall(nodes.literal_block):
        if "\n+--" in block.astext():
            block["classes"].append("printed-table")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name, directive in (
        ("drawing", Drawing),
        ("performance-plot", PerformancePlot),
        ("performance-table", PerformanceTable),
        ("performance-conditions", PerformanceConditions),
        ("performance-missed", PerformanceMissed),
        ("performance-conclusion", PerformanceConclusion),
    ):
        app.add_directive(name, directive)
    app.connect("doctree-read", mark_printed_tables)
    return {"parallel_read_safe": True}
