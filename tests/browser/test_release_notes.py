# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The page of release notes is complete in an sdist, which has no history of git."""

from __future__ import annotations

import pytest

from tests.support.documents.pages import ROOT, load_extension


def test_an_sdist_has_every_note(tmp_path):
    """Read the notes through reno from a folder without git."""
    loader = pytest.importorskip("reno.loader")
    config = pytest.importorskip("reno.config")
    pytest.importorskip("sphinx")
    load_extension("release_notes").write_cache(tmp_path, "6.0.0")
    with loader.Loader(config.Config(str(tmp_path))) as notes:
        assert list(notes.versions) == ["6.0.0"]
        names = {name for name, _ in notes["6.0.0"]}
    expected = (ROOT / "releasenotes" / "notes").glob("*.yaml")
    assert names == {f"releasenotes/notes/{path.name}" for path in expected}
