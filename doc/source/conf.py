# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""Configuration of Sphinx, which builds the documentation: ``tox -e docs``."""

import configparser
import pathlib
import sys
import warnings

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "doc" / "ext"))

# Importing oslo's libraries prints deprecations unrelated to the documentation.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

_setup = configparser.ConfigParser()
_setup.read(ROOT / "setup.cfg")

project = "os-vif"
author = "The os-vif developers"
copyright = author  # noqa: A001 - sphinx's name for it
version = release = _setup["metadata"]["version"]

extensions = [
    "command_reference",
    "directives",
    "oslo_config.sphinxext",
    "release_notes",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "vocabulary",
]
autoprogram_cliff_application = "os-vif"
autodoc_member_order = "bysource"
# Default values are shown as in the source.
autodoc_preserve_defaults = True

# A broken reference is an error. References to further projects are not checked: the build has no
# network.
nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(oslo_\w+|ovo|stevedore|cfg|collections|contextlib|datetime|netaddr|pathlib)\..*",
    ),
    (
        r"py:.*",
        r"(prometheus_client|pyroute2|pytest|subprocess|uuid)\..*",
    ),
    # Private classes have no page.
    (
        r"py:.*",
        r"(Check|Run|Undo)Answer|Registry|EntryPoint|Netlink|Link|Opener|Tls|_history\.Version",
    ),
    (r"py:.*", r"Keep|Metric|PortTables|SharedDaemonError|Target|Users|VifRecord|Watch"),
    (r"py:.*", r"CHECKS|CaseUnavailableError|os_vif\.testing\.\w+(\.\w+)?"),
    (r"py:.*", r"os_vif\.(serialization\.(formats\.)?_Kind|vif_fields\._VIF)"),
]

html_theme = "furo"
html_title = f"os-vif {version} documentation"
html_theme_options = {
    "sidebar_hide_name": False,
    "navigation_with_keys": True,
}
html_static_path = ["_static"]
html_css_files = ["os-vif.css"]
html_favicon = "_static/favicon.svg"
toc_object_entries_show_parents = "hide"
html_scaled_image_link = False
html_show_sourcelink = False
html_copy_source = False
# The copy button leaves out prompts and output.
copybutton_exclude = ".linenos, .gp, .go"
