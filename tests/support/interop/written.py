# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Store the texts written for each release: `python -m tests.support.interop.written`.

`corpus/written/RELEASE.jsonl.xz` has a line for each sample that the release can read: the name of
the sample and the OVO primitive. Releases with the same manifest share the file of the first
release of the manifest.

The stored texts were read by the releases. After a new run of the command, `tox -e interop` has
the releases read the texts again.
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
from tests.support.data import released
from tests.support.interop.samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oslo_versionedobjects import base as ovo

DIRECTORY = Path(__file__).parents[2] / "interop" / "corpus" / "written"

_EQUAL = [list(same) for _, same in itertools.groupby(released.RELEASES, released.MANIFESTS.get)]
#: The first and the last release of each manifest.
SPANS = tuple((same[0], same[-1]) for same in _EQUAL)


def known_samples(
    release: str, objects: Iterable[tuple[str, ovo.VersionedObject]]
) -> dict[str, ovo.VersionedObject]:
    """Return the samples whose class exists in the release, by name."""
    return {name: o for name, o in objects if o.obj_name() in released.MANIFESTS[release]}


def line(obj: ovo.VersionedObject, release: str) -> str:
    """Return the text written of an object for a release, byte for byte reproducible."""
    primitive = obj.obj_to_primitive(version_manifest=history.manifest(release))
    return json.dumps(primitive, sort_keys=True, separators=(",", ":"))


def stored_lines(release: str) -> dict[str, str]:
    """Return the stored lines for a release, by the names of the samples."""
    (first,) = (same[0] for same in _EQUAL if release in same)
    lines = lzma.decompress(_file(first).read_bytes()).decode().splitlines()
    return dict(entry.split("\t") for entry in lines)


def store_lines(release: str, lines: dict[str, str]) -> None:
    """Store the lines for a release, the first release of a manifest."""
    text = "".join(f"{name}\t{written}\n" for name, written in lines.items())
    _file(release).write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def _file(release: str) -> Path:
    return DIRECTORY / f"{release}.jsonl.xz"


def main() -> None:
    # A warning about lost fields is expected here.
    logging.disable()
    objects = [*samples()]
    DIRECTORY.mkdir(exist_ok=True)
    for release, _ in SPANS:
        lines = {name: line(obj, release) for name, obj in known_samples(release, objects).items()}
        store_lines(release, lines)
        print(release, len(lines), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
