# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Text of a VIF for the release of os-vif on a host."""

from __future__ import annotations

from typing import NamedTuple

from os_vif import exception
from os_vif.codec.unknown import Loss
from os_vif.negotiation import trusted_release
from os_vif.negotiation.offer_fields import field_of
from os_vif.negotiation.plug_rules import host_name
from os_vif.objects import HostOffer, VIFBase
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import dumps, formats, json_text


class Written(NamedTuple):
    """A VIF as text for a release. ``text`` is None if the release lacks the class of the VIF."""

    text: str | None
    #: The release of the text: the release of the host, or the newest known one before it.
    release: str
    losses: tuple[Loss, ...] = ()
    reason: str | None = None


def write_for(vif: VIFBase, offer: HostOffer) -> Written:
    """Return the text of a VIF for a host, and the values that the host would not receive.

    :raises os_vif.exception.InvalidField: for an offer without a usable release.
    """
    stated = field_of(offer, "release")
    if stated is None:
        raise exception.InvalidField(
            field="offer.release", found="unset", expected="a release of os-vif, such as '5.3.0'"
        )
    release = trusted_release.known_release(stated, "offer.release")
    if release == CURRENT_RELEASE:
        return Written(dumps(vif), release)
    try:
        primitive, losses = formats.downgrade(vif, release)
    except exception.UnknownKind:
        reason = f"{host_name(offer)} has os-vif {release}, which has no {vif.obj_name()}"
        return Written(None, release, reason=reason)
    return Written(json_text.compose_sorted(primitive), release, tuple(losses))
