# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A VIF, and the host for the VIF, for the conformance suite."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager

from oslo_config import cfg

from os_vif import objects
from os_vif.escape import abbreviated
from os_vif.testing import fake_card, open_vswitch
from os_vif.testing.private_namespaces import private_namespace, run, search_path


class CaseUnavailableError(Exception):
    """The host lacks a requirement of a case; the text names the requirement."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A VIF of a plugin, and the host that the VIF needs.

    Each check creates the host in a private network namespace: the commands of *prepare* run, then
    a private Open vSwitch starts if *switch* is set.
    """

    #: The name of the case in the report.
    name: str
    vif: objects.VIFBase
    _: dataclasses.KW_ONLY
    #: The virtual machine or pod of the VIF.
    instance: objects.InstanceInfo | None = None
    #: Shell commands that create the devices of the host, or a function that does. The function may
    #: return a context manager, which is left at the end of each check.
    prepare: str | Callable[[], AbstractContextManager[object] | None] | None = None
    #: A shell command that succeeds in an empty network namespace if the kernel has all features
    #: for the case. None for a case that every kernel can run.
    probe: str | None = None
    #: Arguments of ovs-vsctl for a private Open vSwitch; empty for an Open vSwitch without bridges,
    #: None for no Open vSwitch. The option ``ovsdb_connection`` of the plugin is set.
    switch: str | None = None
    #: Values for the options of the plugin, in the group ``[os_vif_<name of the plugin>]``.
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)
    #: True if the plugin reads virtual functions: see :func:`os_vif.testing.fake_card.card`.
    card: bool = False
    #: True if the plugin opens ``/dev/net/tun``.
    tun: bool = False
    #: Names of devices and bridges whose state after an unplug may differ from the state before the
    #: plug: a bridge that stays because of an uplink, or a device that keeps an MTU.
    unrestored: Collection[str] = ()
    #: A function that returns the VIF with a number, for the check with several VIFs at a time.
    #: ``vif`` is number 0. The VIFs share the host.
    numbered: Callable[[int], objects.VIFBase] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def instance_info(self) -> objects.InstanceInfo:
        """The virtual machine or pod of the VIF."""
        return self.instance or objects.InstanceInfo(
            uuid="b0000000-0000-4000-8000-000000000000", name="guest"
        )

    def missing_requirement(self) -> str | None:
        """Return the requirement that the host lacks, or None."""
        if self.switch is not None and (missing := open_vswitch.missing_requirement()):
            return missing
        if (self.tun or self.switch is not None) and (missing := missing_tun()):
            return missing
        if self.probe is None:
            return None
        try:
            with private_namespace():
                run(f"set -e\n{{ {self.probe}\n}} 2>/dev/null >/dev/null")
        except subprocess.CalledProcessError:
            return f"the kernel lacks a feature: the probe failed ({self.probe})"
        return None

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Create the host in the current network namespace; remove processes at the end.

        :raises os_vif.testing.conformance_case.CaseUnavailableError: if the host lacks a
            requirement.
        """
        if missing := self.missing_requirement():
            raise CaseUnavailableError(missing)
        with contextlib.ExitStack() as stack:
            if isinstance(self.prepare, str):
                _prepare(self.prepare)
            elif self.prepare is not None and (prepared := self.prepare()) is not None:
                stack.enter_context(prepared)
            options = dict(self.options)
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if self.switch is not None:
                switch = stack.enter_context(open_vswitch.Switch(directory))
                options["ovsdb_connection"] = switch.connection
                if self.switch:
                    switch.vsctl(*self.switch.split())
            if self.card:
                stack.enter_context(fake_card.card(directory / "sys"))
            if options:
                stack.enter_context(configured(f"os_vif_{self.vif.plugin}", options))
            yield


def _prepare(command: str) -> None:
    """Run the commands of ``Case.prepare``.

    :raises RuntimeError: with the errors that the failed command has printed.
    """
    done = subprocess.run(  # noqa: S602 - shell commands
        f"set -e\n{command}",
        shell=True,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"PATH": search_path()},
    )
    if done.returncode:
        printed = " ".join(done.stderr.split()) or "no message"
        raise RuntimeError(
            f"Case.prepare ended with status {done.returncode}: {abbreviated(printed, 400)}"
        )


@dataclasses.dataclass(frozen=True)
class PodCase(Case):
    """A VIF of a pod, for :func:`os_vif.plug_pod`.

    Each check creates a pod, a network namespace, for the VIF, and a further pod for each further
    VIF of ``Case.numbered``. The snapshots compare host and pod.
    """

    _: dataclasses.KW_ONLY
    #: Name of the interface in the pod.
    ifname: str = "eth0"
    #: Set the default routes of the pod.
    default_gateway: bool = True
    #: Addresses of the host on the Linux bridge of the VIF: see :class:`os_vif.Sandbox`.
    bridge_addresses: Collection[str] = ()
    #: Values for options of os-vif in the group ``[os_vif]``, such as ``pod_link``.
    common_options: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        with configured("os_vif", self.common_options), super().prepared():
            yield


def missing_tun() -> str | None:
    """Return the reason why the caller cannot create tap devices, or None.

    The bridges of an Open vSwitch in user space are tap devices.
    """
    if os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return None
    return "needs to read and write /dev/net/tun"


@contextlib.contextmanager
def configured(group: str, options: Mapping[str, object]) -> Iterator[None]:
    """Set options of a group for the duration of a block.

    :raises ValueError: for an option that the group does not have, and for an unusable value.
    """
    with contextlib.ExitStack() as stack:
        for name, value in options.items():
            try:
                cfg.CONF.set_override(name, value, group=group)
            except cfg.NoSuchGroupError:
                raise ValueError(f"no options in [{group}]; found {name!r}") from None
            except cfg.NoSuchOptError:
                known = ", ".join(sorted(cfg.CONF[group])) or "no option"
                raise ValueError(f"no option {name!r} in [{group}]; expected {known}") from None
            stack.callback(cfg.CONF.clear_override, name, group=group)
        yield
