# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Trusted construction of steps, without validation.

The privileged daemon makes undo steps from values just read from the kernel. Validation is for
arguments that cross the privilege boundary: the daemon validates an undo step when a caller sends
the step back.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from contextvars import Token
    from types import TracebackType

_is_trusted = ContextVar("_is_trusted", default=False)

#: Return whether steps are constructed without validation at present.
is_trusted = _is_trusted.get


def trusted() -> AbstractContextManager[None]:
    """Skip the validation of steps constructed in the block.

    Only for a process with privileges, while it reads or applies valid steps. Never decode a message
    in the block.
    """
    return _TrustedBlock()


class _TrustedBlock:
    # A class is entered faster than a generator, and the daemon enters a block for each step.
    __slots__ = ("_token",)

    _token: Token[bool]

    def __enter__(self) -> None:
        self._token = _is_trusted.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _is_trusted.reset(self._token)
