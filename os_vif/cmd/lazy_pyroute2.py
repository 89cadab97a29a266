# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Late execution of the package pyroute2, for the process of the command ``os-vif``.

``pyroute2/__init__.py`` imports all of pyroute2, for 0.06 seconds of processor time. os-vif needs
some modules only. :func:`install` puts a package into ``sys.modules`` that imports submodules as
usual, and executes ``__init__.py`` when a name of the package itself is read, such as ``IPRoute``.

Only the command does so: in a service, other threads may import pyroute2.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

_NAME = "pyroute2"


class _LatePackage(types.ModuleType):
    """A package whose ``__init__.py`` is executed when a missing name is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # An import of a submodule, such as ``from pyroute2 import config``.
        if importlib.util.find_spec(f"{_NAME}.{name}") is not None:
            return importlib.import_module(f"{_NAME}.{name}")
        spec = self.__spec__
        # From now on, a missing name is an AttributeError.
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(self)
        return getattr(self, name)


def install() -> None:
    """Put the package into ``sys.modules``, unless pyroute2 is loaded already or missing."""
    spec = None if _NAME in sys.modules else importlib.util.find_spec(_NAME)
    if spec is None:
        return
    package = _LatePackage(_NAME)
    package.__spec__, package.__loader__ = spec, spec.loader
    package.__file__, package.__package__ = spec.origin, _NAME
    package.__path__ = spec.submodule_search_locations or []
    sys.modules[_NAME] = package
