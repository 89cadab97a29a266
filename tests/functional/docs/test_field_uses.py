# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The page "Fields by plugin" has the fields that each plugin requires, uses and ignores."""

from __future__ import annotations

import os_vif
from tests.support.documents import field_uses
from tests.support.documents.pages import PAGES

PAGE = PAGES["reference/fields_by_plugin"]


def test_tables_are_what_the_plugins_do(switch):
    """``python -m tests.support.documents.field_uses`` writes the tables again."""
    stored = {
        path.name: path.read_text(encoding="utf-8") for path in field_uses.FOLDER.glob("*.csv")
    }
    with field_uses.host(switch):
        assert field_uses.tables(switch) == stored


def test_page_shows_every_table():
    """A table that no page shows would not be missed by a reader."""
    for path in sorted(field_uses.FOLDER.glob("*.csv")):
        assert f":file: fields_by_plugin/{path.name}\n" in PAGE


def test_every_class_that_a_plugin_describes_has_a_column():
    """A new class of a plugin needs a situation."""
    os_vif.initialize()
    for plugin in os_vif.host_info().plugin_info:
        described = {info.vif_object_name for info in plugin.vif_info}
        shown = {*field_uses.SITUATIONS.get(plugin.plugin_name, {})}
        assert described == shown or plugin.plugin_name == "noop"


def test_every_settable_field_of_a_class_has_a_row():
    """A new field of a class needs a value in a situation."""
    for classes in field_uses.SITUATIONS.values():
        for situations in classes.values():
            paths = {path for s in situations for path in field_uses.paths(s.vif)}
            missing = {
                path
                for path in paths
                if not path.startswith("port_profile.datapath_offload")
                and all(field_uses.value(s.vif, path) is None for s in situations)
            }
            assert missing == set()
