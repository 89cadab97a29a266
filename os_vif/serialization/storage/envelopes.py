# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The table of envelopes, the releases that read each envelope, and predicates on stored data."""

from __future__ import annotations

from typing import Any, NamedTuple

from os_vif import exception
from os_vif.codec import document
from os_vif.objects.versioning import history
from os_vif.serialization import formats

#: The annotation of a pod in which kuryr before 3.0 stores VIFs.
ANNOTATION = "openstack.org/kuryr-vif"
#: The places of the VIFs in a ``KuryrPort``; early releases of kuryr used ``spec``.
VIFS_IN_STATUS, VIFS_IN_SPEC = ("status", "vifs"), ("spec", "vifs")


class Envelope(NamedTuple):
    """An envelope: the format in which kuryr or zun stores the VIFs of a pod or container."""

    #: The reader for which VIFs are written by default: the newest kuryr that writes the envelope.
    default_release: str
    #: The first and the last kuryr that reads the envelope; None if no kuryr reads the envelope.
    kuryr_releases: tuple[str, str] | None = None
    #: The class of the object with the VIFs, or None.
    state_class: str | None = None


#: The envelopes by name.
ENVELOPES = {
    "pod-vif": Envelope("kuryr-0.4.7", ("kuryr-0.1.0", "kuryr-2.1.0")),
    # kuryr 3.0 and 3.1 convert the annotation into a KuryrPort.
    "pod-state": Envelope("kuryr-2.1.0", ("kuryr-0.5.0", "kuryr-3.1.0"), "PodState"),
    "kuryrport": Envelope("kuryr-10.0.0", ("kuryr-3.0.0", "kuryr-10.0.0")),
    # zun 5.0.0 and later require os-vif 1.15.1 or later.
    "cni-metadata": Envelope("1.15.1", None, "VIFState"),
}


def reader_supports(release: str, envelope: str) -> bool:
    """Return True if a release reads an envelope. Any os-vif may run below any reader.

    :param release: a release of kuryr, such as ``kuryr-4.0.0``, or of os-vif.
    :param envelope: a key of ``ENVELOPES``.
    """
    kuryr = [peer for peer in history.peers() if peer.startswith("kuryr-")]
    if release not in kuryr:
        return True
    readers = ENVELOPES[envelope].kuryr_releases
    if readers is None:
        return False
    first, last = map(kuryr.index, readers)
    return first <= kuryr.index(release) <= last


def require_reader(release: str, envelope: str) -> None:
    """Raise an error if a release does not read an envelope.

    :raises os_vif.exception.UnsupportedVersion: with the releases that read the envelope.
    """
    if reader_supports(release, envelope):
        return
    readers = ENVELOPES[envelope].kuryr_releases
    expected = f"a release of os-vif: no kuryr reads {envelope}"
    if readers is not None:
        expected = f"{readers[0]} to {readers[1]}, which read {envelope}"
    raise exception.UnsupportedVersion(path="release", found=repr(release), expected=expected)


def is_vif_payload(data: Any) -> bool:
    """Return True for an OVO primitive or a document, as opposed to an object of Kubernetes."""
    if formats.is_primitive(data):
        return True
    version = data.get("apiVersion") if isinstance(data, dict) else None
    return isinstance(version, str) and version.startswith(f"{document.GROUP}/")


def has_vifs_in_spec(data: dict[str, Any]) -> bool:
    """Return True for a ``KuryrPort`` with VIFs in ``spec.vifs`` and without ``status.vifs``."""
    in_spec, in_status = (
        part.get("vifs") if isinstance(part := data.get(name), dict) else None
        for name in ("spec", "status")
    )
    return bool(in_spec) and not in_status


def has_vifs_by_interface(data: Any) -> bool:
    """Return True if an annotation is an object with VIFs by the name of the interface.

    The documentation of three releases of kuryr shows this form.
    """
    return (
        isinstance(data, dict)
        and not is_vif_payload(data)
        and any(is_vif_payload(vif) for name, vif in data.items() if name != "vif")
    )
