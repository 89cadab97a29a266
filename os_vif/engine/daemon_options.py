# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The options of a privileged daemon. An option with an empty value has its default."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class DaemonOptions:
    """An option group of oslo.privsep in which an empty text means the default.

    The option types of oslo.privsep convert an empty text to None, or refuse an empty text.

    :param group: the option group of oslo.config.
    :param defaults: the values of options that are set to an empty text, by option name.
    :param program_capabilities: the capabilities of the programs that the daemon runs, in addition
        to the option ``capabilities``.
    """

    def __init__(
        self, group: Any, defaults: Mapping[str, Any], program_capabilities: Collection[int] = ()
    ) -> None:
        self._group = group
        self._defaults = defaults
        self._program_capabilities = program_capabilities

    @property
    def capabilities(self) -> list[int]:
        """Return the capabilities that the daemon keeps."""
        return [*self._value("capabilities"), *self._program_capabilities]

    def __getattr__(self, name: str) -> Any:
        return self._value(name)

    def _value(self, name: str) -> Any:
        try:
            value = getattr(self._group, name)
        except ValueError as error:
            # A boolean option: the error message of oslo.config ends with the refused text.
            if not str(error).endswith("''"):
                raise
            value = None
        return self._defaults.get(name) if value in (None, "", []) else value
