# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The install line of the first page selects no public release."""

from __future__ import annotations

import configparser
import re
import shlex

from packaging.requirements import Requirement

from os_vif.objects.versioning import history
from tests.support.documents.pages import PAGES, ROOT


def test_the_install_line_excludes_every_public_release():
    """pip fails, instead of installing the public os-vif, where only that one is available."""
    (line,) = re.findall(r"^   \$ (pip install .*)$", PAGES["index"], re.MULTILINE)
    wanted = Requirement(shlex.split(line)[2])
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert wanted.name == setup["metadata"]["name"]
    assert [release for release in history.releases() if release in wanted.specifier] == []
    assert setup["metadata"]["version"] in wanted.specifier
