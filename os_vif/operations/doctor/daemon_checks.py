# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of plugins, options and privileged daemons."""

from __future__ import annotations

import importlib.metadata
import pathlib
from typing import TYPE_CHECKING

from oslo_config import cfg

from os_vif import opts
from os_vif.engine import privsep_module
from os_vif.engine.failure import HINT
from os_vif.engine.shared_calls import shared_client
from os_vif.operations.doctor.finding import Host, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

Result = tuple[str, Status, str, str]

#: CAP_NET_ADMIN of linux/capability.h: needed by every change through netlink.
_NET_ADMIN = 12
#: Deadline for the answer of the shared daemon.
_PROBE_SECONDS = 2.0
#: The advice for a daemon that does not start, without and with a shared daemon.
_START_OWN = (
    "Run the command as the user of the service. The user must be root, or sudo or rootwrap must "
    "permit the command without a password."
)
_START_SHARED = (
    "[os_vif]privileged_socket is set, so the plugin uses the shared daemon: see the check "
    "shared-daemon, and `systemctl status os-vif-privileged`. The user of the service must be in "
    "[os_vif_privileged]allowed_users or allowed_groups."
)


def check_plugins(host: Host) -> Iterator[Result]:
    """Yield a result for each installed plugin."""
    for name, reason in sorted(host.errors.items()):
        advice = (
            "Install the module or the release that the error names, or uninstall the package of "
            "the plugin; `os-vif --debug plugins` prints the traceback."
        )
        yield name, Status.FAILED, f"cannot be used: {reason}", advice
    for name, plugin in sorted(host.plugins.items()):
        if name not in host.errors:
            yield name, Status.OK, f"{type(plugin).__module__}.{type(plugin).__name__}", ""


def check_options(host: Host) -> Iterator[Result]:
    """Yield a result for each option with an unusable value, and for each unknown option in files."""
    unusable = dict(_unusable_options(host))
    for name, reason in sorted(unusable.items()):
        advice = "Correct the value; until then, every operation that reads the option fails."
        yield name, Status.FAILED, reason, advice
    if host.unknown_options is None:
        advice = "Run `os-vif --config-file FILE doctor` with the file of the service."
        yield "", Status.SKIPPED, "no configuration file was given", advice
        return
    for text in host.unknown_options:
        yield "", Status.FAILED, text, "Correct or remove the option; it has no effect."
    if not host.unknown_options and not unusable:
        yield "", Status.OK, "os-vif knows all options in its groups", ""


def _unusable_options(host: Host) -> Iterator[tuple[str, str]]:
    """Yield each option of os-vif with an unusable value, as ``[group]option`` and the reason.

    oslo.config parses a value at the first read.
    """
    plugins = {f"os_vif_{name}": plugin.CONFIG_OPTS for name, plugin in host.plugins.items()}
    for group, options in (opts.LIBRARY | plugins).items():
        for option in options:
            try:
                getattr(getattr(cfg.CONF, group), option.dest)
            except cfg.NoSuchOptError:
                # The process has not registered the options of the group.
                continue
            except (cfg.Error, ValueError) as error:
                yield f"[{group}]{option.dest}", str(error)


def check_shared_daemon(host: Host) -> Iterator[Result]:
    """Yield a result for the shared privileged daemon: whether a daemon of the same release answers."""
    path = _shared_socket()
    if not path:
        found = "[os_vif]privileged_socket is unset: each process starts daemons of its own"
        yield "", Status.OK, found, ""
        return
    restart = "Restart the service: `systemctl restart os-vif-privileged`."
    try:
        found_daemon = shared_client.probe(path, _PROBE_SECONDS)
    except shared_client.SharedDaemonError as error:
        yield path, Status.FAILED, str(error).removesuffix(HINT), restart
        return
    own = importlib.metadata.version("os-vif")
    missing = [
        name
        for name, plugin in sorted(host.plugins.items())
        if plugin.privsep_module and plugin.privsep_module not in found_daemon.modules
    ]
    if found_daemon.version != own:
        found = f"the caller has os-vif {own}, the daemon os-vif {found_daemon.version}"
        yield path, Status.FAILED, found, f"{restart} Restart callers of an older release, too."
    elif missing:
        found = f"the daemon does not serve the plugins {', '.join(missing)}"
        yield path, Status.FAILED, found, restart
    else:
        yield path, Status.OK, f"os-vif {own} answers, with process id {found_daemon.pid}", ""


def _shared_socket() -> str | None:
    """Return the path of the socket of the shared daemon; None for private daemons."""
    path: str | None = cfg.CONF.os_vif.privileged_socket
    return path


def check_start(host: Host) -> Iterator[Result]:
    """Yield a result for each privileged daemon: whether the daemon starts."""
    unusable = [name for name, _ in _unusable_options(host) if name.startswith("[os_vif]")]
    advice = _START_SHARED if _shared_socket() else _START_OWN
    for name, probe in sorted(host.probes.items()):
        if probe.error and unusable:
            found = f"an option has an unusable value: {', '.join(unusable)}"
            yield name, Status.SKIPPED, found, "See the check options."
        elif probe.error:
            yield name, Status.FAILED, f"the daemon does not start: {probe.error}", advice
        elif probe.answer is None:
            yield name, Status.OK, "the daemon starts", ""
        else:
            yield name, Status.OK, f"the daemon starts, with user id {probe.answer['user']}", ""


def check_capabilities(host: Host) -> Iterator[Result]:
    """Yield a result for each privileged daemon: whether the daemon has CAP_NET_ADMIN."""
    for name, probe in sorted(host.probes.items()):
        if probe.answer is None:
            yield _unknown(name, probe.error)
            continue
        found = probe.answer["capabilities"]
        listed = ", ".join(map(_capability_name, found)) or "none"
        if _NET_ADMIN in found:
            yield name, Status.OK, listed, ""
        else:
            section = _section(host, name)
            advice = (
                f"Give the daemon CAP_NET_ADMIN: remove [{section}]capabilities from the "
                "configuration, and permit the capability in the container or the systemd unit."
            )
            yield name, Status.FAILED, f"CAP_NET_ADMIN is missing; found {listed}", advice


def check_namespace(host: Host) -> Iterator[Result]:
    """Yield a result for each daemon: whether the caller is in the same network namespace."""
    status = pathlib.Path("/proc/thread-self/ns/net").stat()
    own = [status.st_dev, status.st_ino]
    for name, probe in sorted(host.probes.items()):
        if probe.answer is None:
            yield _unknown(name, probe.error)
        elif list(probe.answer["netns"]) == own:
            yield name, Status.OK, f"caller and daemon are in net:[{own[1]}]", ""
        else:
            found = (
                f"the daemon is in net:[{probe.answer['netns'][1]}], its caller in net:[{own[1]}]"
            )
            advice = (
                "Run the service in the network namespace of the host, or have "
                f"[{_section(host, name)}]helper_command start the daemon in the caller's."
            )
            yield name, Status.FAILED, found, advice


def check_version(host: Host) -> Iterator[Result]:
    """Yield a result for each daemon: whether the caller has the same release of os-vif."""
    own = importlib.metadata.version("os-vif")
    for name, probe in sorted(host.probes.items()):
        if probe.answer is None:
            yield _unknown(name, probe.error)
        elif probe.answer["version"] == own:
            yield name, Status.OK, f"caller and daemon have os-vif {own}", ""
        else:
            found = (
                f"the caller has os-vif {own}, the daemon os-vif {probe.answer['version']} in "
                f"{probe.answer['package']}"
            )
            advice = (
                f"Have [{_section(host, name)}]helper_command start the privsep-helper of the "
                "caller's Python environment; restart services that were started before an upgrade."
            )
            yield name, Status.FAILED, found, advice


def _unknown(name: str, error: str) -> Result:
    """Return the result for a daemon without a status."""
    if error:
        return name, Status.SKIPPED, "the daemon does not start", "See the check daemon-start."
    advice = "Add probe = vif_plug.probe_entry_point() to the privsep_module of the plugin."
    return name, Status.SKIPPED, "the daemon cannot tell its status", advice


def _section(host: Host, name: str) -> str:
    """Return the option group of the daemon of a plugin."""
    context = privsep_module.find_context(host.plugins[name].privsep_module or "")
    return str(context.cfg_section) if context is not None else "privsep"


def _capability_name(number: int) -> str:
    """Return the name of a capability, such as ``CAP_NET_ADMIN``."""
    from oslo_privsep import capabilities

    try:
        return str(capabilities.Capabilities(number).name)
    except ValueError:
        return f"capability {number}"
