# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The known release for a stated release: the name of a report, of an option or of an offer."""

from __future__ import annotations

import functools
from typing import Any

from os_vif.objects.versioning.releases import CURRENT_RELEASE, KURYR_RELEASES, PUBLIC_RELEASES

_KNOWN = frozenset((*PUBLIC_RELEASES, *KURYR_RELEASES, CURRENT_RELEASE))


def newest_release_until(stated: Any) -> str | None:
    """Return the newest known release that is not newer than a stated release, or None.

    A reader of the stated release reads the data for the returned release. The order is that of
    PEP 440: ``5.3`` is 5.3.0, and the development and pre-releases of 5.3.0, such as
    ``5.3.0.dev7`` of pbr and ``5.3.0rc1``, come before 5.3.0.

    :param stated: the name of a release of os-vif, or the exact name of a release of kuryr.
    :returns: None for a value that is no release, and for a release before 1.0.0.
    """
    if not isinstance(stated, str):
        return None
    return stated if stated in _KNOWN else _release_before(stated)


@functools.lru_cache(maxsize=64)
def _release_before(stated: str) -> str | None:
    # The import takes milliseconds, and known releases do not need the order.
    from packaging.version import InvalidVersion, Version

    try:
        number = Version(stated)
    except (InvalidVersion, ValueError):
        # ValueError: a number with more digits than int() reads.
        return None
    if number.epoch:
        return None
    older = [name for name in (*PUBLIC_RELEASES, CURRENT_RELEASE) if Version(name) <= number]
    return older[-1] if older else None
