# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""What is written of the samples for each release: `python -m tests.support.interop.written` keeps it.

`corpus/written/RELEASE.jsonl.xz` has a line for each sample that the release can be sent: its
name, and the primitive. Releases with the same manifest share the file of the first of them.

What is kept is what the releases have read. After it was kept anew, `tox -e interop` asks them.
"""

from __future__ import annotations

import itertools
import json
import logging
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from os_vif.objects.versioning import history
from tests.support.interop.samples import samples
from tests.unit.objects import released

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oslo_versionedobjects import base as ovo

DIRECTORY = Path(__file__).parents[2] / "interop" / "corpus" / "written"

_EQUAL = [list(same) for _, same in itertools.groupby(released.RELEASES, released.MANIFESTS.get)]
#: The first and the last release of each manifest.
SPANS = tuple((same[0], same[-1]) for same in _EQUAL)


def known(
    release: str, objects: Iterable[tuple[str, ovo.VersionedObject]]
) -> dict[str, ovo.VersionedObject]:
    """Those of the objects whose class the release has."""
    return {name: o for name, o in objects if o.obj_name() in released.MANIFESTS[release]}


def line(obj: ovo.VersionedObject, release: str) -> str:
    """What is written of an object for a release, always in the same bytes."""
    primitive = obj.obj_to_primitive(version_manifest=history.manifest(release))
    return json.dumps(primitive, sort_keys=True, separators=(",", ":"))


def kept(release: str) -> dict[str, str]:
    """What has been kept for a release: a line for the name of each sample."""
    (first,) = (same[0] for same in _EQUAL if release in same)
    lines = lzma.decompress(_file(first).read_bytes()).decode().splitlines()
    return dict(entry.split("\t") for entry in lines)


def keep(release: str, lines: dict[str, str]) -> None:
    """Keep these for a release, the first one of its manifest."""
    text = "".join(f"{name}\t{written}\n" for name, written in lines.items())
    _file(release).write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def _file(release: str) -> Path:
    return DIRECTORY / f"{release}.jsonl.xz"


def main() -> None:
    # What old readers do not get is no news here.
    logging.disable()
    objects = [*samples()]
    DIRECTORY.mkdir(exist_ok=True)
    for release, _ in SPANS:
        lines = {name: line(obj, release) for name, obj in known(release, objects).items()}
        keep(release, lines)
        print(release, len(lines), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
