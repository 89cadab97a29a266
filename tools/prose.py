# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check the language of docstrings and comments: ``python -m tools.prose``.

Two numbers are measured for each Python file:

* vague words (``it``, ``that``, ``what``, …: ``VAGUE``) per 100 words, in the docstrings alone and
  in docstrings and comments together. The greater number counts; the limit is 5;
* docstrings with a wrong first word; the limit is 0. The docstring of a function begins with an
  imperative verb of ``VERBS``; the docstring of a property may begin with a noun. No docstring
  begins with a word of ``NEVER_FIRST`` or with a field such as ``:returns:``.

``prose_ratchet.json`` lists the files above the limits, with their numbers. A listed file may not
rise above the listed numbers. ``--update`` lowers the listed numbers to the measured numbers, and
removes files within the limits and deleted files. ``--update --moved`` also lists new files, for
use after a move; the numbers of a new file may not exceed the worst numbers of the deleted files.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
RATCHET = ROOT / "tools" / "prose_ratchet.json"
#: The measured folders. In ``tests`` only the helpers are measured.
FOLDERS = (
    "benchmarks",
    "doc",
    "os_vif",
    "testbed",
    "tests",
    "tools",
    "vif_plug_linux_bridge",
    "vif_plug_noop",
    "vif_plug_ovs",
)
#: Tests, whose docstrings state the expected behavior, and a program that came with its data.
NOT_MEASURED = re.compile(r"tests/(.*/)?test_\w+\.py$|tests/interop/corpus/")
#: Greatest permitted number of vague words per 100 words.
LIMIT = 5.0
#: Shorter texts count as texts of this number of words.
FEWEST_WORDS = 30

_VAGUE = """
    what whatever that it its one ones other others who whoever whose there such else both those
    these this them they nobody somebody nothing anything
"""
_NEVER_FIRST = "what whatever whether who how one those also as for that it where why"
_VERBS = """
    abort accept acquire add adopt advance allocate allow answer append apply approximate ask assert
    assign attach await begin bind bring build cache calculate call cancel change check choose clean
    clear close coerce collect combine commit compare compile complete compose compress compute
    configure confirm connect consume continue convert copy count create cut decide declare decode
    decrease decrement defer define delete deny derive describe destroy detach detect determine
    diff disable discard disconnect discover dispatch display divide do download draw drop dump
    empty enable encode end enqueue ensure enter escape establish estimate evaluate exclude execute
    exit expand expect export extend extract fail fetch fill filter find finish fix flush follow
    force forget fork format free freeze generate get give group guess handle hash hide hold
    identify ignore import include increase increment index infer inform inherit initialize insert
    inspect install interpret interrupt invalidate invoke isolate iterate join keep kill know label
    launch leave let limit link list load lock log look lower make map mark match measure merge
    migrate mount move name narrow negotiate normalize note notify obtain omit open order override
    pack parse pass patch pause perform permit pin ping place plan plot plug poll pop populate post
    prefer prefetch prefix prepare prevent print probe process produce promise protect provide prune
    publish push put query queue quote raise read rebuild receive recognize reconnect record recreate
    redirect reduce refer refresh refuse register reject release reload remember remove rename render
    repair repeat replace reply report represent request require reread reset resize resolve restart
    restore restrict resume retry return reverse revert rewrite roll round run save say scan schedule
    search see select send separate serialize serve set share show shut shorten simulate skip sleep
    sort split start stop store strip subtract summarize suppress swap switch take tell test throw
    time trace track transform translate treat trim truncate try turn uncompress undo unpack unplug
    unregister update upgrade use validate verify visit wait walk warn wrap write yield
"""
VAGUE = frozenset(_VAGUE.split())
NEVER_FIRST = frozenset(_NEVER_FIRST.split())
#: First words of the docstrings of functions. Extend the list when a verb is missing.
VERBS = frozenset(_VERBS.split())

_ADVICE = (
    "Write sentences that name their subject; begin the docstring of a function with a verb (see "
    "CONTRIBUTING.rst). python -m tools.prose FILE lists the words."
)

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Measure:
    """The numbers of a file."""

    #: Vague words per 100 words, rounded to a decimal.
    vague: float
    #: Number of docstrings with a wrong first word.
    first_words: int

    @property
    def is_within_limits(self) -> bool:
        """True if the ratchet need not list the file."""
        return self.vague <= LIMIT and not self.first_words

    def exceeds(self, permitted: Measure) -> bool:
        """Return whether a number is above the limit and above the allowed number."""
        return self.vague > max(LIMIT, permitted.vague) or self.first_words > permitted.first_words

    def lowered_to(self, measured: Measure) -> Measure:
        """Return the smaller of each pair of numbers."""
        return Measure(
            min(self.vague, measured.vague), min(self.first_words, measured.first_words)
        )


PERMITTED = Measure(LIMIT, 0)
Measures = dict[str, Measure]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A docstring with a wrong first word, or a vague word."""

    line: int
    text: str


def _without_code_blocks(text: str) -> str:
    """Return a text with blank lines in place of doctests and of literal blocks."""
    lines = []
    #: Indentation of the paragraph that introduced the present literal block.
    outer: int | None = None
    for line in text.splitlines():
        indentation = len(line) - len(line.lstrip())
        if outer is not None and line.strip() and indentation <= outer:
            outer = None
        is_code = outer is not None or re.match(r"\s*(>>>|\.\.\.( |$))", line)
        lines.append("" if is_code else line)
        if outer is None and line.rstrip().endswith("::"):
            outer = indentation
    return "\n".join(lines)


def _prose(text: str) -> str:
    """Return the text of a docstring or comment, without code. Line numbers stay the same."""
    text = _without_code_blocks(text)
    text = re.sub(r"``.*?``", _line_breaks, text, flags=re.DOTALL)
    text = re.sub(r"(?::[\w:+.-]+:)?`[^`]*`_*", _line_breaks, text)
    text = re.sub(r"\*+\w+\*+", " ", text)
    text = re.sub(r"(?m)^[ \t]*:\w+(?: [^:\n]*)?:", " ", text)
    return re.sub(r"\w+://\S+", " ", text)


def _line_breaks(match: re.Match[str]) -> str:
    """Return the line breaks of a match, or a space."""
    return "\n" * match[0].count("\n") or " "


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, without possessive endings."""
    return [word.removesuffix("'s") for word in re.findall(r"[a-z']+", text.lower())]


def _documented(tree: ast.AST) -> Iterator[tuple[_Documented, str]]:
    """Yield each module, class and function with a docstring, and the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, _Documented):
            text = ast.get_docstring(node)
            if text is not None:
                yield node, text


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each comment, without instructions to tools."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#!|#\s*SPDX-", token.string):
            text = token.string.lstrip("#: ")
            text = re.sub(
                r"(?:noqa|type|fmt|pragma|mypy|ruff):\s*[\w\[\],: -]*?(?= - |$)", "", text
            )
            yield token.start[0], text


def _is_property(node: _Documented) -> bool:
    """Return whether a function is a property."""
    decorators = getattr(node, "decorator_list", [])
    return any(
        re.search(r"(?:property|setter|getter)\b", ast.unparse(decorator))
        for decorator in decorators
    )


def _has_wrong_first_word(node: _Documented, text: str) -> bool:
    """Return whether the first word of a docstring is wrong."""
    match = re.match(r"[A-Za-z-]+(?=[\s,.:;]|$)", text.strip())
    first = match[0] if match else ""
    if first.lower() in NEVER_FIRST or text.lstrip().startswith(":"):
        return True
    if isinstance(node, ast.Module | ast.ClassDef) or _is_property(node):
        return False
    return first.lower() not in VERBS


def first_words(source: str) -> list[Finding]:
    """Return the docstrings with a wrong first word."""
    return [
        Finding(getattr(node, "lineno", 1), text.strip().splitlines()[0] if text.strip() else "")
        for node, text in _documented(ast.parse(source))
        if _has_wrong_first_word(node, text)
    ]


def vague_words(source: str) -> list[Finding]:
    """Return the vague words of docstrings and comments."""
    findings = []
    for node, text in _documented(ast.parse(source)):
        start = node.body[0].lineno
        for offset, line in enumerate(_prose(text).splitlines()):
            findings += [Finding(start + offset, word) for word in _words(line) if word in VAGUE]
    for number, text in _comments(source):
        findings += [Finding(number, word) for word in _words(_prose(text)) if word in VAGUE]
    return sorted(findings, key=lambda finding: finding.line)


def _rate(words: Sequence[str]) -> float:
    """Return the number of vague words per 100 words."""
    return 100 * sum(word in VAGUE for word in words) / max(len(words), FEWEST_WORDS)


def measure(source: str) -> Measure:
    """Measure the source text of a Python file."""
    docstrings = [
        word for _, text in _documented(ast.parse(source)) for word in _words(_prose(text))
    ]
    comments = [word for _, text in _comments(source) for word in _words(_prose(text))]
    vague = max(_rate(docstrings), _rate(docstrings + comments))
    return Measure(round(vague, 1), len(first_words(source)))


def measured_files(root: Path = ROOT) -> dict[str, Path]:
    """Return the measured files, by the path relative to *root*."""
    return {
        path.relative_to(root).as_posix(): path
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
        if not NOT_MEASURED.match(path.relative_to(root).as_posix())
    }


def measure_all(root: Path = ROOT) -> Measures:
    """Return the numbers of each measured file, by the path relative to *root*."""
    return {name: measure(path.read_text("utf-8")) for name, path in measured_files(root).items()}


def load(path: Path = RATCHET) -> Measures:
    """Read the ratchet."""
    measures = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {name: Measure(**numbers) for name, numbers in measures.items()}


def dump(ratchet: Mapping[str, Measure]) -> str:
    """Return the text of the ratchet file, with a line for each listed file."""
    lines = [
        f"  {json.dumps(name)}: {json.dumps(dataclasses.asdict(ratchet[name]))}"
        for name in sorted(ratchet)
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"


def problems(measures: Mapping[str, Measure], ratchet: Mapping[str, Measure]) -> list[str]:
    """Return a line for each file above the permitted numbers, and for each deleted listed file.

    :param measures: the measured numbers.
    :param ratchet: the permitted numbers of listed files.
    """
    lines = []
    for name, measured in sorted(measures.items()):
        permitted = ratchet.get(name, PERMITTED)
        if measured.exceeds(permitted):
            lines.append(
                f"{name}: {measured.vague:.1f} vague words per 100 (at most "
                f"{max(LIMIT, permitted.vague):.1f}), {measured.first_words} docstrings with a wrong "
                f"first word (at most {permitted.first_words})"
            )
    lines += [
        f"{name}: is listed in the ratchet but does not exist; run python -m tools.prose --update"
        for name in sorted(ratchet.keys() - measures.keys())
    ]
    return lines


def updated(
    measures: Mapping[str, Measure], ratchet: Mapping[str, Measure], *, moved: bool = False
) -> Measures:
    """Return the ratchet with lowered numbers, without deleted files and files within the limits.

    :param measures: the measured numbers.
    :param ratchet: the present ratchet.
    :param moved: list new files, up to the worst numbers of the deleted files.
    """
    lowered = {
        name: permitted.lowered_to(measures[name])
        for name, permitted in ratchet.items()
        if name in measures and not measures[name].is_within_limits
    }
    deleted = [numbers for name, numbers in ratchet.items() if name not in measures]
    if moved and deleted:
        worst = Measure(max(m.vague for m in deleted), max(m.first_words for m in deleted))
        lowered |= {
            name: measured
            for name, measured in measures.items()
            if name not in ratchet
            and not measured.is_within_limits
            and not measured.exceeds(worst)
        }
    return lowered


def _show(names: Iterable[str]) -> None:
    """Print the findings in files, with line numbers."""
    for name in names:
        source = Path(name).read_text("utf-8")
        measured = measure(source)
        print(f"{name}: {measured.vague:.1f} vague words per 100")
        for finding in first_words(source):
            print(f"{name}:{finding.line}: first word: {finding.text}")
        for finding in vague_words(source):
            print(f"{name}:{finding.line}: {finding.text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.prose", description=__doc__)
    parser.add_argument("--update", action="store_true", help="lower the numbers of the ratchet")
    parser.add_argument("--moved", action="store_true", help="with --update: list moved files")
    parser.add_argument("files", nargs="*", help="show the findings of these files, and no more")
    options = parser.parse_args(arguments)
    if options.moved and not options.update:
        parser.error("--moved needs --update")
    if options.files:
        _show(options.files)
        return 0
    measures = measure_all()
    if options.update:
        RATCHET.write_text(dump(updated(measures, load(), moved=options.moved)), "utf-8")
    lines = problems(measures, load())
    if lines:
        print(*lines, _ADVICE, sep="\n", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
