# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Requirements of setup.cfg, the imports of the library, and the page for packagers."""

from __future__ import annotations

import ast
import configparser
import pathlib
import re
import sys

from tests.support.documents.pages import PAGES

ROOT = pathlib.Path(__file__).parents[3]
OWN = ("os_vif", "vif_plug_linux_bridge", "vif_plug_noop", "vif_plug_ovs")
#: Distributions whose package has another name.
PACKAGES = {
    "opentelemetry-api": "opentelemetry", "oslo.versionedobjects": "oslo_versionedobjects",
    "protobuf": "google", "pytest-timeout": "pytest_timeout", "pyyaml": "yaml",
}  # fmt: skip


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def _names(text: str) -> set[str]:
    return {
        re.split(r"[<>=~!]", line)[0].strip()
        for line in text.split("\n")
        if line.strip() and line[0] != "#"
    }


def _package(name: str) -> str:
    return PACKAGES.get(name.lower(), name.lower().replace(".", "_").replace("-", "_"))


def _imports() -> set[str]:
    """Return the names of all packages of others that the library imports, anywhere."""
    found = set()
    for own in OWN:
        for path in (ROOT / own).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module)
    tops = {name.partition(".")[0] for name in found}
    return tops - set(sys.stdlib_module_names) - set(OWN)


def test_each_requirement_is_imported_and_each_import_is_required():
    setup = _setup()
    required = {_package(name) for name in _names(setup["options"]["install_requires"])}
    extras = {
        _package(name)
        for text in setup["options.extras_require"].values()
        for name in _names(text)
    }
    imports = _imports()
    assert required - imports == set(), "required, but imported nowhere"
    # Imported only for types, or only if the program has loaded the package.
    optional = {"eventlet", "typing_extensions"}
    assert imports - required - extras - optional == set(), "imported, but not required"


def test_the_page_for_packagers_says_what_each_requirement_is_for():
    setup = _setup()
    page = PAGES["operators/packaging"]
    for name in _names(setup["options"]["install_requires"]):
        assert f"   * - {name}\n     - " in page
    for extra in setup["options.extras_require"]:
        assert f"   * - ``{extra}``\n     - " in page


def test_no_line_of_the_documentation_can_install_the_public_package():
    """The index has the public os-vif under the same name, with releases below 6.0."""
    texts = [*PAGES.values(), (ROOT / "README.rst").read_text("utf-8")]
    texts += [path.read_text("utf-8") for own in OWN for path in (ROOT / own).rglob("*.py")]
    found = [
        line.strip()
        for text in texts
        for line in text.splitlines()
        for pair in re.findall(
            r"\binstall (?:-\S+ )*['\"]?(os-vif\[\w+\][^\s`]*)|pip install (?:-\S+ )*['\"]?(os-vif[^\s`]*)",
            line,
        )
        if not re.match(r"os-vif(\[\w+\])?(>=6|==)", "".join(pair))
    ]
    assert found == []


def test_the_metadata_tells_who_what_and_where():
    metadata = _setup()["metadata"]
    assert metadata["author"]
    assert metadata["keywords"]
    names = {line.partition(" = ")[0] for line in metadata["project_urls"].strip().split("\n")}
    assert {"Bug Tracker", "Documentation", "Release Notes", "Source Code"} == names
    for classifier in (
        "Development Status :: 5 - Production/Stable",
        "Programming Language :: Python :: 3.14",
    ):
        assert classifier in metadata["classifiers"]  # fmt: skip
