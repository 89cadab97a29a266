# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Compare the text of the documentation with files of the checkout: ``python -m tools.pages``.

The checks read text only. Tests in ``tests/functional/docs`` compare the documentation with the
library, the command and the kernel. A check is a function that yields a sentence for each fault.
"""

from __future__ import annotations

import configparser
import re
import string
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
Pages = Mapping[str, str]
#: Number of historic bugs of closed reports, and of reports still open in release 5.3.0.
CLOSED_BUGS, OPEN_BUGS = 60, 13
#: Least number of tests named for a historic bug, by the standing of the bug.
TESTS_OF_STANDINGS = {"tested": 1, "gone by design": 1, "still so": 1, "not applicable": 0}
FEWEST_PROMISES = 35
#: Modules with ``__all__`` that the API reference leaves out.
WITHOUT_REFERENCE = (
    "os_vif.codec.primitive",  # private
    "os_vif.internal",  # plugin_authors/old_names
    "os_vif.opts",  # entry points of oslo.config
    "os_vif.plugins",  # plugin_authors/old_names
    "os_vif.testing.conformance_suite",  # the names are documented as os_vif.testing
)
#: Pages that are for every reader.
WITHOUT_READERS = ("index", "reference/release_notes")
#: Words without a subject, for which a reader has to guess.
VAGUE_WORDS = {"anew", "meanwhile", "nobody", "somebody", "whatever", "whoever"}
SCRIPTS = ("tools/demo.sh", "tools/test.sh")


def read_pages(root: Path = ROOT) -> dict[str, str]:
    """Return the texts of the pages in doc/source, by the name without the suffix."""
    source = root / "doc" / "source"
    return {
        path.relative_to(source).with_suffix("").as_posix(): path.read_text("utf-8")
        for path in sorted(source.rglob("*.rst"))
    }


def table(text: str, title: str) -> list[list[str]]:
    """Return the cells of the list table in the section *title* of a page, without the header.

    An empty first cell has the text of the first cell above.
    """
    parts = re.split(r"^(\w.*)\n=+$", text, flags=re.MULTILINE)
    section = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    rows: list[list[str]] = []
    for beginning, cell in re.findall(r"^   (\*| ) -(.*)$", section, re.MULTILINE):
        if beginning == "*":
            rows.append([])
        rows[-1].append(cell.strip() or (rows[-2][0] if beginning == "*" else ""))
    return rows[1:]


def literals(cell: str) -> list[str]:
    """Return the texts between pairs of backquotes."""
    return re.findall(r"``(.*?)``", cell)


def tox_environments(root: Path = ROOT) -> set[str]:
    """Return the names of the environments of tox.ini."""
    config = configparser.ConfigParser()
    config.read(root / "tox.ini", encoding="utf-8")
    return {name.partition(":")[2] for name in config.sections() if ":" in name} | {"py3"}


def missing_tests(named: list[tuple[str, str]], root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each missing test.

    :param named: the file and the function of each test. A file name without a folder stands for
        the only file with the name in tests/functional.
    """
    for file, function in named:
        found = [root / file] if "/" in file else [*(root / "tests/functional").rglob(file)]
        found = [path for path in found if path.is_file()]
        if len(found) != 1:
            yield f"found {len(found)} files {file}, 1 expected"
        elif f"\ndef {function}(" not in found[0].read_text("utf-8"):
            yield f"{file} has no {function}()"


def check_historic_bugs(pages: Pages) -> Iterator[str]:
    """Check the numbers, standings and tests of the historic bugs."""
    text = pages["reference/historic_bugs"]
    bugs = re.findall(
        r"^(\d+|[A-Z])\n   (.+)\n\n   \*\*([\w ]+)\*\*[.:](.*)\n((?:   ``.*\n)?)",
        text,
        re.MULTILINE,
    )
    expected = [*map(str, range(1, CLOSED_BUGS + 1)), *string.ascii_uppercase[:OPEN_BUGS]]
    if re.findall(r"^(\d+|[A-Z])$", text, re.MULTILINE) != expected:
        yield f"the bugs are not numbered {', '.join(expected)}"
    if [number for number, *_ in bugs] != expected:
        yield "a bug has no title, standing, reason or tests"
    explained = re.findall(
        r"^([a-z ]+)\n   \w", text.partition("Objects and API")[0], re.MULTILINE
    )
    if not sorted(explained) == sorted({bug[2] for bug in bugs}) == sorted(TESTS_OF_STANDINGS):
        yield f"the standings used and explained are not {', '.join(TESTS_OF_STANDINGS)}"
    for number, _, standing, reason, shown in bugs:
        named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", shown)
        if (
            len(named) < TESTS_OF_STANDINGS.get(standing, 0)
            or len(named) != shown.count("``") // 2
        ):
            yield f"bug {number}: too few tests, or a test without file and function"
        if not reason and standing != "tested":
            yield f"bug {number}: {standing!r} without a reason"
        yield from (f"bug {number}: {fault}" for fault in missing_tests(named))


def check_promises(pages: Pages) -> Iterator[str]:
    """Check that each promise of the engine has a number, says MUST and names existing tests."""
    promises = re.findall(
        r"^(\d+)\. ((?:.*\n)+?)(?=^\d+\. |^\w|\Z)", pages["plugin_authors/engine"], re.MULTILINE
    )
    if [int(number) for number, _ in promises] != list(range(1, len(promises) + 1)):
        yield "the promises are not numbered from 1 on"
    if len(promises) < FEWEST_PROMISES:
        yield f"found {len(promises)} promises, at least {FEWEST_PROMISES} expected"
    for number, text in promises:
        named = re.findall(r"``([\w/]*test_\w+\.py)::(\w+)``", text)
        if "MUST" not in text or not named:
            yield f"promise {number}: says no MUST, or names no test"
        yield from (f"promise {number}: {fault}" for fault in missing_tests(named))


def check_packages(pages: Pages) -> Iterator[str]:
    """Compare the table of packages with the folders; a row lists the folders of the command."""
    packages = sorted(
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / "os_vif").rglob("__init__.py")
        if path.parent.name != "os_vif" and "internal" not in path.parts
    )
    text = pages["contributor/layout"]
    listed = re.findall(r"^   \* - ``(os_vif/[\w/]+)/``$", text, re.MULTILINE)
    commands = re.search(r"``os_vif/cmd/``\n     - (.*)", text)
    if commands is not None:
        listed += [
            f"os_vif/cmd/{name.rstrip('/')}" for name in re.findall(r"``(\w+/)``", commands[1])
        ]
    if sorted(listed) != packages:
        yield f"contributor/layout: packages differ: {sorted({*listed} ^ {*packages})}"


def check_beginnings(pages: Pages) -> Iterator[str]:
    """Check that the first or second paragraph says for whom a page is, or what the page lists."""
    for name, text in pages.items():
        beginning = " ".join(text.split("\n\n", 3)[1:3])
        says = re.search(
            r"This (page|guide) (is for|lists)|These pages (are|explain|list)", beginning
        )
        if says is None and name not in WITHOUT_READERS:
            yield f"{name}: the beginning does not say for whom the page is"


def check_words(pages: Pages) -> Iterator[str]:
    """Check that no page has a word of :data:`VAGUE_WORDS`."""
    for name, text in pages.items():
        prose = re.sub(r"``.*?``", "", text)
        found = {word.lower() for word in re.findall(r"[a-zA-Z]+", prose)} & VAGUE_WORDS
        if found:
            yield f"{name}: name the subject instead of {', '.join(sorted(found))}"


def exporting_modules(root: Path = ROOT) -> Iterator[str]:
    """Yield the names of the modules of os_vif that define ``__all__``."""
    for path in sorted((root / "os_vif").rglob("*.py")):
        if re.search(r"^__all__\b", path.read_text("utf-8"), re.MULTILINE):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def check_api_reference(pages: Pages) -> Iterator[str]:
    """Check that the API reference has each module of os_vif that exports names."""
    directive = re.compile(r"^ *\.\. (auto\w+|vif-classes):: (\S+)", re.MULTILINE)
    documented = {
        f"os_vif.objects.{name}" if kind == "vif-classes" else name
        for page, text in pages.items()
        if page.startswith(("reference/", "plugin_authors/"))
        for kind, name in directive.findall(text)
    }
    for module in exporting_modules():
        is_private = any(f"{module}.".startswith(f"{name}.") for name in WITHOUT_REFERENCE)
        if not is_private and not any(f"{n}.".startswith(f"{module}.") for n in documented):
            yield f"reference/api: {module} has __all__, but no directive of autodoc"


def check_ovs_names(pages: Pages) -> Iterator[str]:
    """Compare the keys in the two tables about rows of Open vSwitch."""
    text = pages["operators/ovs/names"]
    used = {key for *_, keys in table(text, "Settings") for key in literals(keys)}
    values = {literals(key)[0] for key, *_ in table(text, "Values and readers")}
    if values != used:
        yield f"operators/ovs/names: keys differ: {sorted(values ^ used)}"


def check_tox_environments(pages: Pages) -> Iterator[str]:
    """Compare the environments of tox.ini with the page about tests and CONTRIBUTING.rst."""
    contributing = (ROOT / "CONTRIBUTING.rst").read_text("utf-8")
    for name, found in (
        ("contributor/testing", re.findall(r"tox -e ([\w-]+)", pages["contributor/testing"])),
        ("CONTRIBUTING.rst", re.findall(r"``tox -e ([\w-]+)``", contributing)),
    ):
        if set(found) != tox_environments():
            yield f"{name}: environments of tox differ: {sorted({*found} ^ tox_environments())}"


def check_paths(pages: Pages) -> Iterator[str]:
    """Check that the files and folders named on pages exist."""
    folders = r"os_vif|tests|testbed|tools|doc|benchmarks|releasenotes|\.ci"
    for name, text in pages.items():
        for path in re.findall(rf"(?:``|^   )((?:{folders})/[\w/.-]*)", text, re.MULTILINE):
            if not (ROOT / path).exists():
                yield f"{name}: {path} does not exist"


def check_tables_of_contents(pages: Pages) -> Iterator[str]:
    """Check that each page is in a single table of contents."""
    listed = [
        str(PurePosixPath(page).parent / entry)
        for page, text in pages.items()
        for tree in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)+)", text, re.MULTILINE)
        for entry in re.findall(r"^   (\w+(?:/\w+)?)$", tree, re.MULTILINE)
    ]
    for name in sorted({*listed, *pages} - {"index"}):
        if listed.count(name) != 1 or name not in pages:
            yield f"{name}: is in {listed.count(name)} tables of contents, or does not exist"


def check_entry_points(pages: Pages) -> Iterator[str]:
    """Check that the snippets of setup.cfg name the class of the plugin on the same page."""
    readme = (ROOT / "README.rst").read_text("utf-8")
    for name, text in (
        ("plugin_authors/plugins", pages["plugin_authors/plugins"]),
        ("README.rst", readme),
    ):
        snippets = re.findall(r"code-block:: ini\n(?:   .*\n)*\n((?:   .*\n|\n)+)", text)
        snippets = [snippet for snippet in snippets if "[options.entry_points]" in snippet]
        if len(snippets) != 1:
            yield f"{name}: found {len(snippets)} snippets of entry points, 1 expected"
            continue
        parser = configparser.ConfigParser()
        parser.read_string(textwrap.dedent(snippets[0]))
        plugin = parser["options.entry_points"]["os_vif"].strip().rpartition(":")[2]
        if f"class {plugin}(" not in text:
            yield f"{name}: the entry point names {plugin}, which is no class on the page"


def check_scripts(_: Pages) -> Iterator[str]:
    """Check that README.rst names the scripts, and have a POSIX shell parse each script."""
    readme = (ROOT / "README.rst").read_text("utf-8")
    named = re.findall(r"^    (tools/.*)$", readme, re.MULTILINE)
    if named != list(SCRIPTS):
        yield f"README.rst: the scripts are {named}, {list(SCRIPTS)} expected"
    for script in (*SCRIPTS, "tools/venv.sh", ".ci/run"):
        done = subprocess.run(["sh", "-n", ROOT / script], check=False)  # noqa: S603, S607
        if done.returncode:
            yield f"{script}: sh -n fails"


CHECKS: tuple[Callable[[Pages], Iterator[str]], ...] = (
    check_historic_bugs,
    check_promises,
    check_packages,
    check_api_reference,
    check_beginnings,
    check_words,
    check_ovs_names,
    check_tox_environments,
    check_paths,
    check_tables_of_contents,
    check_entry_points,
    check_scripts,
)


def main() -> int:
    """Print the faults; return the exit status."""
    pages = read_pages()
    faults = [fault for check in CHECKS for fault in check(pages)]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
