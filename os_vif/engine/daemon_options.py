# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The options of a privileged daemon: one that a file sets to nothing has its default."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class DaemonOptions:
    """An option group of oslo.privsep, whose types convert empty text to None, or refuse it.

    :param group: the group, as oslo.config gives it.
    :param defaults: the value of an option that is set to nothing, by the option's name.
    :param of_programs: capabilities that the programs which the daemon runs need, in addition to
        those of the group.
    """

    def __init__(
        self, group: Any, defaults: Mapping[str, Any], of_programs: Collection[int] = ()
    ) -> None:
        self._group = group
        self._defaults = defaults
        self._of_programs = of_programs

    @property
    def capabilities(self) -> list[int]:
        """The capabilities that the daemon keeps."""
        return [*self._value("capabilities"), *self._of_programs]

    def __getattr__(self, name: str) -> Any:
        return self._value(name)

    def _value(self, name: str) -> Any:
        try:
            value = getattr(self._group, name)
        except ValueError as error:
            # A boolean: oslo.config names the empty text at the end of its message.
            if not str(error).endswith("''"):
                raise
            value = None
        return self._defaults.get(name) if value in (None, "", []) else value
