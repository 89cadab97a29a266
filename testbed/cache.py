# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Cache of files that take long to create: outside the checkout, and shared by all checkouts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


class Unavailable(Exception):
    """A requirement is missing: a package index, an interpreter, or a program."""


def directory() -> Path:
    """Return the cache directory: ``$OS_VIF_TEST_CACHE``, or ``os-vif`` in the user's cache."""
    if own := os.environ.get("OS_VIF_TEST_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "os-vif"


def cached_directory(name: str, build: Callable[[Path], None]) -> Path:
    """Return the cached directory *name*; call *build* to fill the directory if needed.

    The directory is built in place under a lock, because a virtual environment cannot be moved. A
    stamp file marks a complete directory; an incomplete directory is built again.
    """
    directory().mkdir(parents=True, exist_ok=True)
    made = directory() / name
    stamp = made / "complete"
    with _locked(directory() / f"{name}.lock"):
        if not stamp.exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            try:
                build(made)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            stamp.touch()
    return made


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*parts: str) -> str:
    """Return a short hash of all parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
