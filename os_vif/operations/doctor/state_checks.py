# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the state directory ``/run/os-vif``: locks and records of the privileged daemons."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from os_vif.host.state import vif_records
from os_vif.host.state.directory import STATE
from os_vif.operations.doctor.finding import Host, Status

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from os_vif.engine.answers import ProbeAnswer

Result = tuple[str, Status, str, str]

#: File systems in memory: the files end with a reboot, as devices do.
_VOLATILE = {"tmpfs", "ramfs"}
#: Seconds after which an incomplete record is no record that a process is writing.
_INCOMPLETE_SECONDS = 60


def check_writable(host: Host) -> Iterator[Result]:
    """Yield a result for each daemon: whether the daemon can write records."""
    for name, answer in sorted(host.answers.items()):
        if answer["state_error"] is not None:
            advice = (
                f"Make {STATE} a directory that root can write, on a tmpfs with free space; in a "
                "container or a systemd unit, permit writing (ReadWritePaths=)."
            )
            found = f"the daemon cannot write to {_place(answer)}: {answer['state_error']}"
            yield name, Status.FAILED, found, advice
        elif answer["state_exists"]:
            yield name, Status.OK, f"the daemon can write to {STATE}", ""
        else:
            yield name, Status.OK, f"the first plug creates {STATE}", ""
    if not host.answers:
        yield _no_daemon()


def check_shared(host: Host) -> Iterator[Result]:
    """Yield a result: whether the daemons and this process have the same directory."""
    answers = host.answers
    if not answers:
        yield _no_daemon()
        return
    path = STATE.path if STATE.path.exists() else STATE.path.parent
    status = path.stat()
    own = (status.st_dev, status.st_ino)
    others = sorted(name for name, answer in answers.items() if tuple(answer["state"]) != own)
    for name in others:
        advice = (
            f"Mount the {STATE.path.parent} of the host into each container that plugs VIFs, and "
            "have no service with a private /run: locks and records protect VIFs only if shared."
        )
        yield name, Status.FAILED, f"the daemon has another {path} than this process", advice
    if not others:
        names = ", ".join(sorted(answers))
        yield "", Status.OK, f"this process and the daemons of {names} have the same {path}", ""


def check_filesystem(host: Host) -> Iterator[Result]:
    """Yield a result for each daemon: whether the directory ends with a reboot."""
    for name, answer in sorted(host.answers.items()):
        kind = answer["state_filesystem"]
        if kind in _VOLATILE:
            yield name, Status.OK, f"{_place(answer)} is on a {kind}", ""
        else:
            found = f"{_place(answer)} is on {kind}: records outlive a reboot, devices do not"
            advice = f"Mount a tmpfs on {STATE.path.parent}."
            yield name, Status.WARNING, found, advice
    if not host.answers:
        yield _no_daemon()


def check_records(_: Host) -> Iterator[Result]:
    """Yield a result for each damaged or incomplete record."""
    try:
        files = sorted(STATE.path.iterdir())
    except FileNotFoundError:
        yield "", Status.OK, "there are no records", ""
        return
    except OSError as error:
        advice = f"Make {STATE} readable for all users (mode 0755)."
        yield "", Status.FAILED, f"{STATE} cannot be read: {error.strerror}", advice
        return
    count, faults = 0, 0
    for path in files:
        if path.name.endswith((".json", ".json.new")):
            count += path.suffix == ".json"
            for status, found, advice in _record_faults(path):
                faults += 1
                yield path.name, status, found, advice
    if not faults:
        yield "", Status.OK, f"{count} records can be read", ""


def _record_faults(path: pathlib.Path) -> Iterator[tuple[Status, str, str]]:
    """Yield status, found and advice for a record that cannot be used."""
    try:
        if path.suffix == ".new":
            age = time.time() - path.stat().st_mtime
            if age > _INCOMPLETE_SECONDS:
                advice = "Delete the file. The next plug or unplug of the device deletes it, too."
                yield Status.WARNING, "a process was killed while writing the record", advice
            return
        is_object = isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return  # another process has deleted the record
    except OSError as error:
        advice = "Make the record readable for all users (mode 0644)."
        yield Status.FAILED, f"the record cannot be read: {error.strerror}", advice
        return
    except ValueError:
        is_object = False
    reason = "the record is damaged: it is no JSON object" if not is_object else None
    if is_object and (fault := vif_records.fault(path.name)) is not None:
        reason = f"the record is damaged: {fault}"
    if reason is not None:
        advice = (
            "Delete the file, then plug the VIFs of the device again: `os-vif check` tells which "
            "VIFs differ."
        )
        yield Status.FAILED, reason, advice


def _place(answer: ProbeAnswer) -> str:
    """Return the path that a daemon has examined."""
    return str(STATE if answer["state_exists"] else STATE.path.parent)


def _no_daemon() -> Result:
    return "", Status.SKIPPED, "no privileged daemon answers", "See the check daemon-start."
