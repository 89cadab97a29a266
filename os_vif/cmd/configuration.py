# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Configuration files (``--config-file``): referenced options of other programs, unknown options."""

from __future__ import annotations

import difflib
import logging
import pathlib
import re
from collections.abc import Iterator

from oslo_config import cfg, iniparser

LOG = logging.getLogger("os-vif")

#: ``helper_command`` of a deployed nova.conf refers to this option; the default is that of nova.
_ROOTWRAP = cfg.StrOpt("rootwrap_config", default="/etc/nova/rootwrap.conf")
_OS_VIF_GROUP = re.compile(r"os_vif|os_vif_\w+|vif_plug_\w+")
_REFERENCE = re.compile(r"\$\{?(\w+)")


class _Parser(iniparser.BaseParser):
    """A parser that collects the assignments of a file."""

    def __init__(self) -> None:
        super().__init__()
        #: The values by group and option.
        self.values: dict[str, dict[str, str]] = {}
        self._group = "DEFAULT"

    def new_section(self, section: str) -> None:
        """Start a group."""
        self._group = section
        self.values.setdefault(section, {})

    def assignment(self, key: str, value: list[str]) -> None:
        """Store the value of an option; a list has an item for each line."""
        self.values.setdefault(self._group, {})[key] = "\n".join(value)


def read_files(names: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the values in files, by file, group and option.

    A file that cannot be read or parsed is left out; oslo.config reports the error.
    """
    files = {}
    for name in names:
        parser = _Parser()
        try:
            parser.parse(pathlib.Path(name).read_text(encoding="utf-8").splitlines(True))
        except (OSError, ValueError, iniparser.ParseError):
            continue
        files[name] = parser.values
    return files


def register_referenced(conf: cfg.ConfigOpts, names: list[str]) -> None:
    """Register options of other programs, to which values of os-vif options refer (``$name``).

    In nova.conf, ``helper_command = sudo nova-rootwrap $rootwrap_config privsep-helper`` refers to
    an option that only nova registers.
    """
    referenced = {
        reference
        for groups in read_files(names).values()
        for group, options in groups.items()
        if _OS_VIF_GROUP.fullmatch(group)
        for value in options.values()
        for reference in _REFERENCE.findall(value)
    }
    for reference in sorted(referenced):
        if reference not in conf:
            option = _ROOTWRAP if reference == _ROOTWRAP.name else cfg.StrOpt(reference)
            conf.register_opt(option)


def warn_of_unknown(conf: cfg.ConfigOpts, names: list[str]) -> None:
    """Log a warning for each option in a group of os-vif that no plugin registered."""
    for text in list_unknown(conf, names):
        LOG.warning("%s", text)


def list_unknown(conf: cfg.ConfigOpts, names: list[str]) -> Iterator[str]:
    """Yield a sentence for each option in a group of os-vif that no plugin registered."""
    for name, groups in read_files(names).items():
        for group, options in groups.items():
            if (
                _OS_VIF_GROUP.fullmatch(group)
                and (known := _registered_names(conf, group)) is not None
            ):
                for option in options:
                    if option.replace("-", "_") not in known:
                        yield _warning(name, group, option, known)


def list_unknown_groups(conf: cfg.ConfigOpts, names: list[str]) -> Iterator[str]:
    """Yield a sentence for each group that is spelt almost as a group of os-vif."""
    known = sorted(filter(_OS_VIF_GROUP.fullmatch, conf._groups))  # noqa: SLF001
    for name, groups in read_files(names).items():
        for group in groups:
            similar = difflib.get_close_matches(group, known, n=1, cutoff=0.8)
            if similar and group not in conf._groups:  # noqa: SLF001
                yield f"{name}: os-vif has no group [{group}]. Did you mean [{similar[0]}]?"


def _warning(name: str, group: str, option: str, known: set[str]) -> str:
    """Return the warning for an unknown option, with the most similar known option."""
    text = f"{name}: [{group}] has no option named {option}; it is ignored"
    similar = difflib.get_close_matches(option, sorted(known), n=1)
    return f"{text}. Did you mean {similar[0]}?" if similar else text


def _registered_names(conf: cfg.ConfigOpts, group: str) -> set[str] | None:
    """Return the present and deprecated names of the options of a group; None without the group."""
    registered = conf._groups.get(group)  # noqa: SLF001 - oslo.config has no public list
    return None if registered is None else set(_option_names(registered))


def _option_names(group: cfg.OptGroup) -> Iterator[str]:
    """Yield the present and deprecated names of the options of a group."""
    for info in group._opts.values():  # noqa: SLF001
        option: cfg.Opt = info["opt"]
        yield option.dest
        for old in option.deprecated_opts:
            if old.name and old.group in (None, group.name):
                yield old.name.replace("-", "_")
