# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Where tests keep what takes long to make: outside the checkout, shared by all checkouts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


class Unavailable(Exception):
    """What a cached thing is made from is not there: a package index, an interpreter."""


def directory() -> Path:
    """The cache: ``$OS_VIF_TEST_CACHE``, or ``os-vif`` in the user's cache."""
    if own := os.environ.get("OS_VIF_TEST_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "os-vif"


def once(name: str, build: Callable[[Path], None]) -> Path:
    """The cached directory `name`, filled by `build` unless an earlier call has completed that.

    It is built in place, as a virtual environment cannot be moved: under a lock, and it counts
    only once its stamp is there.
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
    """A short name for all of that."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
