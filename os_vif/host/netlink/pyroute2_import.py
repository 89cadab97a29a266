# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import of modules of pyroute2 at first use.

``pyroute2/__init__.py`` imports all of pyroute2, which takes 0.1 seconds of processor time and 12 MB
of memory. os-vif needs some modules only. In commands and privileged daemons of os-vif,
:func:`skip_package` lets :func:`load` import these modules without the package. A plugin, or a later
thread, that imports pyroute2 executes ``__init__.py`` as usual.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import threading
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from os_vif.forking import ForkSafeLock

_NAME = "pyroute2"
#: The modules of pyroute2 import each other in a cycle. Without the lock a second thread, or a
#: child process after a fork, would see a partly imported module.
_lock = ForkSafeLock()


def load(name: str) -> types.ModuleType:
    """Import a module of pyroute2, or return the imported module."""
    with _lock:
        if name not in sys.modules:
            if _may_skip_package():
                with _Placeholder():
                    return importlib.import_module(name)
            # If a library imports pyroute2 at the same time, the import of the package waits for the
            # library; the import of a module would be refused as a deadlock.
            importlib.import_module(_NAME)
        return importlib.import_module(name)


def skip_package() -> None:
    """Let :func:`load` import modules without the package as long as the process has one thread.

    Without the package, two threads could import modules that need each other.
    """
    if _NAME not in sys.modules and _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _may_skip_package() -> bool:
    is_skipped = _finder in sys.meta_path and _NAME not in sys.modules
    return is_skipped and threading.active_count() == 1


class _Placeholder(types.ModuleType):
    """Takes the place of the package in ``sys.modules`` for a block."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        spec = importlib.util.find_spec(_NAME)
        self.__path__ = [] if spec is None else spec.submodule_search_locations or []

    def __enter__(self) -> None:
        sys.modules[_NAME] = self

    def __exit__(self, *_: object) -> None:
        if sys.modules.get(_NAME) is self:
            del sys.modules[_NAME]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # An import of a module, for example ``from pyroute2 import config``.
        if importlib.util.find_spec(f"{_NAME}.{name}") is not None:
            return importlib.import_module(f"{_NAME}.{name}")
        # A name of the package, for example IPRoute.
        self.__exit__()
        return getattr(importlib.import_module(_NAME), name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the package after some of its modules, which become attributes of the package."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != _NAME:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, specs), None)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create the module."""

    def exec_module(self, module: types.ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        for name, loaded in list(sys.modules.items()):
            package, _, last = name.rpartition(".")
            if package == _NAME:
                setattr(module, last, loaded)
        if self._loader is not None:
            self._loader.exec_module(module)


_finder = _Finder()
