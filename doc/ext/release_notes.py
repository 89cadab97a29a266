# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - no package

"""The directive ``release-notes`` of reno, in a clone and in an sdist.

In a clone reno assigns the notes to the tags of git. An sdist has no tags: all notes in
``releasenotes/notes`` are then notes of the version in setup.cfg. The directive writes a cache file,
which reno reads instead of the history.
"""

from __future__ import annotations

import datetime as dt
import logging
import pathlib
import shutil

import yaml
from dulwich import porcelain
from reno import sphinxext
from sphinx.application import Sphinx

ROOT = pathlib.Path(__file__).parents[2]
NOTES = pathlib.Path("releasenotes", "notes")


def write_cache(root: pathlib.Path, version: str) -> None:
    """Copy the notes to *root*, with a cache file that assigns all notes to *version*."""
    shutil.copytree(ROOT / NOTES, root / NOTES, dirs_exist_ok=True)
    names = [str(NOTES / path.name) for path in sorted((root / NOTES).glob("*.yaml"))]
    today = dt.datetime.now(tz=dt.UTC)
    cache = {
        "notes": [{"version": version, "files": [[name, "-"] for name in names]}],
        "dates": [{"version": version, "date": int(today.timestamp())}],
        "file-contents": {
            name: yaml.safe_load((root / name).read_text("utf-8")) for name in names
        },
    }
    (root / NOTES / "reno.cache").write_text(yaml.safe_dump(cache), "utf-8")


class ReleaseNotes(sphinxext.ReleaseNotesDirective):
    """The directive of reno; the repository does not depend on the working directory."""

    def _find_reporoot(self, reporoot_opt: str, relnotessubdir_opt: str) -> str:
        if (ROOT / ".git").exists() and porcelain.tag_list(ROOT):
            return str(ROOT)
        environment = self.state.document.settings.env
        root = pathlib.Path(environment.doctreedir) / "release-notes"
        write_cache(root, environment.config.version)
        return str(root)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive. The scanner of reno logs each note: only warnings are shown."""
    logging.getLogger("reno").setLevel(logging.WARNING)
    app.add_directive("release-notes", ReleaseNotes)
    return {"parallel_read_safe": True}
