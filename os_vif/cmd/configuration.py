# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The files that ``--config-file`` names: options of other programs, and misspelt ones of ours."""

from __future__ import annotations

import difflib
import logging
import pathlib
import re
from collections.abc import Iterator

from oslo_config import cfg, iniparser

LOG = logging.getLogger("os-vif")

#: ``helper_command`` in a deployed nova.conf refers to it; the value is that of nova.
_ROOTWRAP = cfg.StrOpt("rootwrap_config", default="/etc/nova/rootwrap.conf")
_OURS = re.compile(r"os_vif_\w+|vif_plug_\w+")
_REFERENCE = re.compile(r"\$\{?(\w+)")


class _Sections(iniparser.BaseParser):
    """The assignments of a file, by group and option."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._group = "DEFAULT"

    def new_section(self, section: str) -> None:
        self._group = section
        self.found.setdefault(section, {})

    def assignment(self, key: str, value: list[str]) -> None:
        self.found.setdefault(self._group, {})[key] = "\n".join(value)


def read(names: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the assignments of each file, by file, group and option.

    A file that oslo.config cannot parse has none here; oslo.config itself reports it.
    """
    files = {}
    for name in names:
        sections = _Sections()
        try:
            sections.parse(pathlib.Path(name).read_text(encoding="utf-8").splitlines(True))
        except (OSError, ValueError, iniparser.ParseError):
            continue
        files[name] = sections.found
    return files


def register_referenced(conf: cfg.ConfigOpts, names: list[str]) -> None:
    """Register the options of other programs that values in our groups refer to (``$name``).

    In nova.conf, ``helper_command = sudo nova-rootwrap $rootwrap_config privsep-helper`` refers to
    an option that only nova registers.
    """
    referenced = {
        reference
        for sections in read(names).values()
        for group, options in sections.items()
        if _OURS.fullmatch(group)
        for value in options.values()
        for reference in _REFERENCE.findall(value)
    }
    for reference in sorted(referenced):
        if reference not in conf:
            option = _ROOTWRAP if reference == _ROOTWRAP.name else cfg.StrOpt(reference)
            conf.register_opt(option)


def warn_of_unknown(conf: cfg.ConfigOpts, names: list[str]) -> None:
    """Log a warning for each option in a group of os-vif that no plugin has registered."""
    for name, sections in read(names).items():
        for group, options in sections.items():
            if _OURS.fullmatch(group) and (known := _known(conf, group)) is not None:
                for option in options:
                    if option.replace("-", "_") not in known:
                        LOG.warning("%s", _warning(name, group, option, known))


def _warning(name: str, group: str, option: str, known: set[str]) -> str:
    text = f"{name}: [{group}] has no option named {option}; it is ignored"
    similar = difflib.get_close_matches(option, sorted(known), n=1)
    return f"{text}. Did you mean {similar[0]}?" if similar else text


def _known(conf: cfg.ConfigOpts, group: str) -> set[str] | None:
    """Return the names of the options of a group, old ones too; None if it is not registered."""
    registered = conf._groups.get(group)  # noqa: SLF001 - oslo.config lists them nowhere else
    return None if registered is None else set(_names(registered))


def _names(group: cfg.OptGroup) -> Iterator[str]:
    for info in group._opts.values():  # noqa: SLF001
        option: cfg.Opt = info["opt"]
        yield option.dest
        for old in option.deprecated_opts:
            if old.name and old.group in (None, group.name):
                yield old.name.replace("-", "_")
