# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Trusted construction of steps, without validation.

The privileged daemon makes undo steps from values just read from the kernel. Validation is for
arguments that cross the privilege boundary: the daemon validates an undo step when a caller sends
the step back.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_is_trusted = ContextVar("_is_trusted", default=False)

#: Return whether steps are constructed without validation at present.
is_trusted = _is_trusted.get


@contextmanager
def trusted() -> Iterator[None]:
    """Skip the validation of steps constructed in the block.

    Only for the daemon, during the application of steps. Never decode a message in the block.
    """
    token = _is_trusted.set(True)
    try:
        yield
    finally:
        _is_trusted.reset(token)
