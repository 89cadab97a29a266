# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""How the documentation is built: ``tox -e docs``."""

import configparser
import pathlib
import sys
import warnings

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "doc" / "ext"))

# What oslo's libraries say as they are imported is not about these pages.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

_setup = configparser.ConfigParser()
_setup.read(ROOT / "setup.cfg")

project = "os-vif"
author = "The os-vif developers"
copyright = author  # noqa: A001 - sphinx's name for it
version = release = _setup["metadata"]["version"]

extensions = ["sphinx.ext.autodoc", "vocabulary"]
autodoc_member_order = "bysource"
# Default values are shown as in the source.
autodoc_preserve_defaults = True

# A reference that leads nowhere is an error. Those to other projects do: there is no network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(oslo_\w+|stevedore|cfg|collections|netaddr)\..*"),
    # Private classes have no page.
    (
        r"py:.*",
        r"(Check|Run|Undo)Answer|Registry|EntryPoint|Netlink|Link|Opener|Tls|_history\.Version",
    ),
]

html_theme = "alabaster"
html_theme_options = {
    "description": "Virtual network interfaces, described and plugged",
    "fixed_sidebar": True,
    "page_width": "72em",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_sourcelink = False
html_copy_source = False
