# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What doc/ says is so: every snippet and every command in it runs, and every promise is shown."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import itertools
import os
import pathlib
import re
import shlex
import sys
import tempfile

import pytest
from oslo_config import cfg
from oslo_privsep import priv_context
from oslo_serialization import jsonutils

import os_vif
from os_vif import call_errors, objects, opts, serialization
from os_vif.cmd import exit_codes
from os_vif.objects.versioning import history
from os_vif.serialization.protobuf import message_types
from os_vif.testing.host_snapshots import ip
from testbed import snippets
from testbed.vm.scenarios import SCENARIOS
from tests.support.documents.pages import PAGES, ROOT, SOURCE, run
from tools.pages import tox_environments
from vif_plug_linux_bridge import privsep


def words(page: str) -> str:
    """A page in one line, for what is looked up in it."""
    return " ".join(PAGES[page].split())


def blocks(language: str) -> list[tuple[str, snippets.Block]]:
    return [(page, block) for page in PAGES for block in snippets.blocks(PAGES[page], language)]


def vif_json() -> snippets.Block:
    """The VIF that the pages plug."""
    (block,) = {block for _, block in blocks("json") if block.caption == "vif.json"}
    return block


def commands() -> list[snippets.Command]:
    return [command for _, block in blocks("console") for command in snippets.commands(block)]


#: Pages on which there is something to do. For some of it there has to be a switch, or a card:
#: test_doc_ovs.py, test_host_info.py.
DONE = sorted(
    page
    for page in {page for language in ("python", "console") for page, _ in blocks(language)}
    # tests/interop/authors/test_tutorial.py follows the tutorial, which installs a plugin.
    if not page.startswith(("operators/ovs/", "operators/sriov/", "plugin_authors/tutorial"))
)


def _needs_a_host(page: str) -> bool:
    text = PAGES[page]
    typed = [
        c.program for block in snippets.blocks(text, "console") for c in snippets.commands(block)
    ]
    return ".plug(" in text or "os-vif" in typed


@pytest.mark.parametrize("page", DONE)
def test_a_reader_can_follow_the_page(request, tmp_path, page):
    """From top to bottom, the Python runs, and the commands print what the page shows.

    Those of the quickstart are started as a reader starts them.
    """
    if _needs_a_host(page):
        request.getfixturevalue("namespace")
        request.getfixturevalue("quick_commands")
    (tmp_path / vif_json().caption).write_text(vif_json().text)
    python = (sys.executable, "-W", "ignore", "-P")
    inside = () if page == "quickstart" else ("--inside",)
    done = run(*python, snippets.__file__, *inside, SOURCE / f"{page}.rst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    if _needs_a_host(page):
        assert [link["ifname"] for link in ip("link")] == ["lo"]


#: Commands that are neither run nor looked at more closely: test_install.py does what they do.
INSTALL = (
    "python3 -m venv /opt/os-vif",
    "/opt/os-vif/bin/pip install .",
    'pip install "os-vif>=6.0"',
    "export PATH=/opt/os-vif/bin:$PATH",
)
NOT_RUN = [c.line for c in commands() if c.program not in snippets.RUN and c.line not in INSTALL]

_TEMPLATE = ROOT / "os_vif" / "cmd" / "author"
#: The commands that os-vif new-plugin prints and writes into README.rst of a plugin.
AUTHOR_COMMANDS = {
    line.strip().removeprefix("# ").removeprefix("$ ")
    for file in ("plugin_template/README.rst.in", "new_plugin.py")
    for line in (_TEMPLATE / file).read_text(encoding="utf-8").splitlines()
} | {"cd os-vif-example"}


def _selects(arguments: list[str]) -> bool:
    """Whether pytest finds a test with these arguments: files, functions, and ``-k`` a word."""
    word = arguments[arguments.index("-k") + 1] if "-k" in arguments else ""
    named = [argument for argument in arguments if argument not in ("-k", word)] or ["tests"]
    for path, _, function in (argument.partition("::") for argument in named):
        files = [ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("test_*.py")
        code = "".join(file.read_text(encoding="utf-8") for file in files)
        names = re.findall(r"^def (test_\w+)\(", code, re.MULTILINE)
        if not [name for name in names if function in ("", name) and word in name]:
            return False
    return True


@pytest.mark.parametrize("line", sorted(set(NOT_RUN)))
def test_a_command_that_takes_long_is_there(line):  # noqa: C901 - a case for each program
    """The script, the tox environment, and the tests that its arguments select."""
    program, *arguments = shlex.split(line)
    match program:
        case "tools/demo.sh" | "tools/test.sh":
            assert os.access(ROOT / program, os.X_OK)
            assert run("sh", "-n", ROOT / program).returncode == 0
        case "tox":
            option, environment, *arguments = arguments
            assert option == "-e"
            assert environment in tox_environments()
            assert arguments[:1] in ([], ["--"])
            arguments = arguments[1:]
        case ".venv/bin/python" if arguments[:2] == ["-m", "testbed.vm"]:
            assert arguments[2] in SCENARIOS
            arguments = arguments[arguments.index("pytest") + 1 :] if arguments[3:] else []
            arguments = [argument for argument in arguments if argument != "--pdb"]
        case ".venv/bin/python" if arguments[1].startswith("benchmarks."):
            usage = run(sys.executable, "-m", arguments[1], "--help", cwd=ROOT)
            assert usage.returncode == 0, usage.stderr
            assert all(f" {word} " in usage.stdout for word in arguments if word[:2] == "--")
            arguments = []
        case "kubectl":
            # There is no cluster here. The page has what it would print, and says so.
            assert line.endswith(snippets.ON_A_CLUSTER)
            assert arguments[0] in {"get", "replace", "apply", "create"}
            arguments = ["tests"]
        case "protoc":
            # It is run where it is installed: tests/unit/test_doc_other_languages.py.
            assert message_types.MESSAGES in arguments
            assert any(message_types.PACKAGE in argument for argument in arguments)
            arguments = []
        case "check-jsonschema":
            # tests/unit/test_doc_other_languages.py compares the printed error.
            assert arguments[-1].endswith(".json")
            arguments = []
        case "python" if line not in AUTHOR_COMMANDS:
            assert (ROOT / f"{arguments[1].replace('.', '/')}.py").is_file()
            arguments = []
        case _ if line in AUTHOR_COMMANDS:
            # tests/interop/authors runs the path of a plugin author.
            arguments = []
        case "lint-imports":
            assert "[tool.importlinter]" in (ROOT / "pyproject.toml").read_text()
        case _:
            pytest.fail(f"nobody has said how to look at {line!r}")
    assert _selects(arguments)


def _options() -> cfg.ConfigOpts:
    """The groups that a configuration file may have for os-vif."""
    known = cfg.ConfigOpts()
    for group, options in opts.list_plugins_opts():
        known.register_opts(options, group=group)
    known.register_opts(priv_context.OPTS, group=privsep.vif_plug.cfg_section)
    return known


CONFIGURATION = [
    block.text
    for _, block in blocks("ini")
    if re.search(r"^\[(os_vif|vif_plug|upgrade_levels)[_\]]", block.text, re.MULTILINE)
]


@pytest.mark.parametrize("text", CONFIGURATION)
def test_a_configuration_snippet_names_options_that_exist(tmp_path, text):
    """Each has a value that the option takes."""
    path = tmp_path / "os-vif.conf"
    path.write_text(text)
    parser = configparser.ConfigParser()
    parser.read_string(text)
    known = _options()
    known(["--config-file", str(path)], project="os-vif")
    named = [(group, name) for group in parser.sections() for name in parser[group]]
    assert named
    for group, name in named:
        found = known[group][name]
        text = ", ".join(found) if isinstance(found, list) else str(found)
        assert text == parser[group][name]


def test_every_configuration_group_has_its_section():
    """With the options of each plugin, as the code lists them."""
    page = PAGES["operators/configuration"]
    groups = [group for group, options in opts.list_plugins_opts() if options]
    for group in (*groups, privsep.vif_plug.cfg_section):
        assert f"\n``[{group}]``\n" in page
    assert re.findall(r"\.\. vif-options:: (\w+)", page) == [
        *opts.LIBRARY,
        *(name for name, options in opts.IN_TREE.items() if options),
    ]


@pytest.fixture
def nova_conf(tmp_path):
    """A program that was started with a configuration file; what it starts, as with nova's."""
    path = tmp_path / "nova.conf"
    path.write_text("")
    cfg.CONF(["--config-file", str(path)], project="nova")

    def command() -> list[str]:
        socket = f"{tempfile.mkdtemp(dir='/tmp')}/privsep.sock"
        pathlib.Path(socket).parent.rmdir()
        words = privsep.vif_plug.helper_command(socket)
        return ["/etc/nova/nova.conf" if word == str(path) else word for word in words]

    yield command
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])


def test_the_sudoers_line_allows_what_privsep_runs(nova_conf):
    """The command of the snippet before it, with what privsep appends; no other context."""
    (text,) = (t for t in CONFIGURATION if "helper_command" in t)
    parser = configparser.ConfigParser()
    parser.read_string(text)
    group = privsep.vif_plug.cfg_section
    helper = parser[group]["helper_command"]
    cfg.CONF.set_override("helper_command", helper, group=group)
    try:
        sudo, program, *arguments = nova_conf()
    finally:
        cfg.CONF.clear_override("helper_command", group=group)
    assert sudo == "sudo"
    (line,) = (block for _, block in blocks("text") if "sudoers" in (block.caption or ""))
    allowed, _, pattern = line.text.strip().partition(" ^")
    assert allowed.endswith(f" NOPASSWD: {program}")
    assert pattern.endswith("$")
    asked = " ".join(arguments)
    assert re.fullmatch(pattern[:-1], asked)
    other = asked.replace("vif_plug_linux_bridge.privsep.vif_plug", "os_brick.privileged.default")
    assert not re.fullmatch(pattern[:-1], other)
    assert not re.fullmatch(pattern[:-1], asked.replace("/etc/nova", "/home"))


def test_the_helper_is_started_as_the_page_says(nova_conf, monkeypatch):
    """By the program's root helper; for root, from beside Python; by sudo otherwise."""
    rest = nova_conf()[1:]
    assert rest[:2] == ["--config-file", "/etc/nova/nova.conf"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert nova_conf()[0] == str(pathlib.Path(sys.executable).with_name("privsep-helper"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert nova_conf()[:3] == ["sudo", "privsep-helper", "--config-file"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(priv_context, "_HELPER_COMMAND_PREFIX", ["nova-rootwrap", "rootwrap.conf"])
    assert nova_conf()[:3] == ["nova-rootwrap", "rootwrap.conf", "privsep-helper"]


def _subcommands() -> set[str]:
    entry_points = importlib.metadata.distribution("os-vif").entry_points
    names = {e.name for e in entry_points if e.group == "os_vif.commands"}
    # The name of a command of several words has underscores in the entry point.
    return {name.replace("_", " ") for name in names} | {"complete", "help"}


def test_every_subcommand_has_its_section():
    """And there is no section for one that is not there."""
    page = PAGES["operators/command"]
    titles = set(re.findall(r"^([a-z-]+(?: [a-z]+)?)\n=+$", page, re.MULTILINE))
    assert titles == _subcommands()


def test_every_option_of_the_command_is_on_its_page(os_vif_command):
    """Those of os-vif itself; --help and --version need no words."""
    page = PAGES["operators/command"]
    usage = run(os_vif_command, "--help").stdout
    options = set(re.findall(r"^  (-[a-z], )?(--[a-z-]+)", usage, re.MULTILINE))
    long = {name for _, name in options} - {"--help", "--version"}
    short = {name.rstrip(", ") for name, _ in options}
    assert {"--config-file", "--debug"} <= long
    assert [o for o in long if f"``{o}" not in page and not short & {o[1:3]}] == []


def test_the_exit_codes_on_the_page_are_those_of_the_command():
    """All of them, in order."""
    page = PAGES["operators/command"]
    listed = re.findall(r"^   \* - (\d+)$", page, re.MULTILINE)
    codes = (
        exit_codes.EXIT_FAILED,
        exit_codes.EXIT_BAD_INPUT,
        exit_codes.EXIT_DRIFT,
        exit_codes.EXIT_PARTIAL,
    )
    assert listed == ["0", *map(str, codes)]
    assert listed == re.findall(r"^  (\d)  ", exit_codes.HELP, re.MULTILINE)


def test_an_exit_code_of_2_touches_nothing(namespace, os_vif_command):
    """For each kind of bad input that the page names."""
    good = jsonutils.loads(vif_json().text)
    for changes in ({"plugin": "x"}, {"bridge_name": "sixteen-bytes-xx"}, {"address": "no MAC"}):
        bad = jsonutils.dumps(good | changes)
        assert run(os_vif_command, "plug", input=bad).returncode == 2
    assert run(os_vif_command, "plug", "--nonesuch").returncode == 2
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_the_two_ways_to_the_same_vif():
    """The object that the quickstart constructs is the document of the page."""
    document = serialization.loads(vif_json().text, objects.VIFBase)
    os_vif.initialize()
    scope = {"objects": objects, "os_vif": os_vif, "vif": document}
    scope["instance"] = objects.InstanceInfo()
    exec(snippets.blocks(PAGES["quickstart"], "python")[1].text, scope)  # noqa: S102
    assert call_errors.summary(document) == call_errors.summary(scope["constructed"])


# The promises of plugin_authors/engine.rst.


def test_the_numbers_of_releases_are_those_of_the_history():
    """Where a page counts."""
    manifests = [history.manifest(release) for release in history.releases()]
    distinct = len(list(itertools.groupby(manifests)))
    page = words("reference/releases")
    assert f"The {len(manifests)} releases from 1.0.0 to 5.3.0 have {distinct} distinct" in page
    assert f"the {len(manifests)} public releases" in words("reference/versions")


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> pathlib.Path:
    """The documentation, built as ``tox -e docs`` builds it."""
    for name in ("furo", "reno", "sphinx", "sphinx_copybutton"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(
                f"{name} of doc/requirements.txt is not installed; tox -e docs installs it"
            )
    path = tmp_path_factory.mktemp("html")
    strictly = ("-q", "-W", "--keep-going")
    done = run(sys.executable, "-m", "sphinx", *strictly, "-b", "html", SOURCE, path)
    assert done.returncode == 0, done.stderr
    return path


def test_the_documentation_builds_without_a_warning(html):
    """Every page is there, and says which version it is about."""
    assert [page for page in PAGES if not (html / f"{page}.html").exists()] == []
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert (
        f"os-vif {setup['metadata']['version']} documentation" in (html / "index.html").read_text()
    )


def test_every_class_and_field_is_in_the_reference(html):
    """All classes, each with its fields and each version that it had."""
    page = (html / "reference" / "objects.html").read_text()
    parts = re.split(r'<dt class="sig sig-object py" id="os_vif\.objects\.', page)
    found = {part.partition('"')[0]: part for part in parts[1:]}
    assert found.keys() == history.vocabulary().keys()
    for name, cls in history.vocabulary().items():
        plain = re.findall(r"[\w.]+", re.sub(r"<[^>]+>", " ", found[name]))
        said = {word.rstrip(".") for word in plain}
        assert said >= {*cls.fields, *(version.number for version in cls.history)}


def test_every_version_of_every_release_is_in_the_reference(html):
    """A row for each class, a column for each distinct manifest."""
    page = (html / "reference" / "releases.html").read_text()
    rows = [
        re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    ]
    header, *body = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in rows]
    starts = [title.partition(" ")[0] for title in header[1:]]
    assert len(starts) == 10
    table = {row[0]: row[1:] for row in body}
    for number, release in enumerate(starts):
        column = {name: row[number] for name, row in table.items() if row[number]}
        del column["releases"]
        assert column == history.manifest(release)
