# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Binding of a port of neutron to the first host that can plug the VIF of the port."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from os_vif import exception
from os_vif.codec.unknown import Loss
from os_vif.negotiation import plug_rules, written_vif
from os_vif.negotiation.neutron_limits import require_fits_column
from os_vif.negotiation.offer_fields import field_of
from os_vif.negotiation.vif_exchange import vif_of
from os_vif.objects import HostOffer, VIFBase
from os_vif.objects.versioning.releases import CURRENT_RELEASE

#: The member of ``vif_details`` with the document, and of ``profile`` with the permitted classes.
MEMBER = "os_vif"
#: The largest offer for a column of neutron, in bytes; an agent has about 1,100 bytes of its own.
LARGEST_OFFER = 2500


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A port that is bound to a host."""

    #: The VIF as text for the release: a document, or an OVO primitive for a public release.
    text: str
    vif: VIFBase
    #: The release that reads the text.
    release: str
    #: The values of the VIF that the release cannot read; empty for a complete text.
    losses: tuple[Loss, ...]
    #: The host of the offer; None if the offer names no host.
    host: str | None = None
    #: The sentence about an assumed release; None for a stated release.
    assumption: str | None = None

    def vif_details(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``vif_details`` with the document of the VIF beside the members of *details*.

        The details stay without a document for a host with a public release, which reads none.

        :raises os_vif.exception.InvalidBinding: with the sizes, if neutron's column is too small.
        """
        merged = dict(details)
        if self.release == CURRENT_RELEASE:
            merged[MEMBER] = json.loads(self.text)
        require_fits_column("vif_details", merged)
        return merged


def bind(
    port: Mapping[str, Any],
    network: Mapping[str, Any],
    subnets: Sequence[Mapping[str, Any]],
    offers: Iterable[HostOffer],
    *,
    bindings: Sequence[Mapping[str, Any]] = (),
) -> Bound:
    """Bind a port to the first offer that can plug the VIF, written for the release of the host.

    :param port: the port, as in neutron's API. ``binding:profile["os_vif"]["permitted"]`` may list
        the names of the VIF classes for the guest.
    :param network: the network of the port.
    :param subnets: the subnets of the port.
    :param offers: the offers of hosts in order of preference.
    :param bindings: the answer of ``GET /v2.0/ports/{id}/bindings``; the binding of the host of an
        offer is used. By default the binding of the port itself, for all offers.
    :raises os_vif.exception.NoUsableOffer: if no offer can, with the reason of each host.
    :raises os_vif.exception.InvalidBinding: for an unusable port, if the only offer has no other
        reason.
    """
    reasons: list[str] = []
    failure: exception.InvalidBinding | None = None
    for offer in offers:
        name = plug_rules.host_name(offer)
        try:
            binding = _binding_of(port, bindings, offer)
            vif = vif_of(port, network, subnets, binding)
        except exception.InvalidBinding as error:
            failure = error
            reasons.append(f"{name}: {error}")
            continue
        found = [
            *_not_permitted(vif, port, binding),
            *plug_rules.refusals(vif, offer),
            *plug_rules.missing_network(network.get("provider:physical_network"), offer),
        ]
        if not found:
            written = written_vif.write_for(vif, offer)
            if written.text is not None:
                return Bound(
                    text=written.text,
                    vif=vif,
                    release=written.release,
                    losses=written.losses,
                    host=field_of(offer, "host"),
                    assumption=field_of(offer, "assumption"),
                )
            found = [str(written.reason)]
        reasons += [reason if reason.startswith(name) else f"{name}: {reason}" for reason in found]
    if failure is not None and len(reasons) == 1:
        raise failure
    raise exception.NoUsableOffer(
        port_id=str(port.get("id")), reasons="; ".join(reasons) or "there is no offer"
    )


def agent_state(
    offer: HostOffer,
    configurations: Mapping[str, Any],
    resource_versions: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``configurations`` and ``resource_versions`` of an agent with the offer of the host.

    :raises os_vif.exception.InvalidBinding: with the sizes, for an offer above
        2,500 bytes, and if a column of neutron is too small.
    """
    text = offer.canonical()
    if len(text) > LARGEST_OFFER:
        raise exception.InvalidBinding(
            path=f"configurations.{MEMBER}",
            found=f"an offer of {len(text)} bytes",
            expected=f"at most {LARGEST_OFFER} bytes",
        )
    merged = {**configurations, MEMBER: json.loads(text)}
    versions = {**resource_versions, MEMBER: field_of(offer, "release")}
    require_fits_column("configurations", merged)
    require_fits_column("resource_versions", versions)
    return merged, versions


def profile_of_guest(profile: Mapping[str, Any], permitted: Iterable[str]) -> dict[str, Any]:
    """Return ``binding:profile`` with the names of the VIF classes that the guest permits.

    :raises os_vif.exception.InvalidBinding: with the sizes, if neutron's column is too small.
    """
    merged = {**profile, MEMBER: {"permitted": sorted(set(permitted))}}
    require_fits_column("profile", merged)
    return merged


def _binding_of(
    port: Mapping[str, Any], bindings: Sequence[Mapping[str, Any]], offer: HostOffer
) -> Mapping[str, Any] | None:
    """Return the binding for the host of an offer, or None for the binding of the port.

    :raises os_vif.exception.InvalidBinding: if the port has no binding for the host.
    """
    host = field_of(offer, "host")
    if not bindings or host is None:
        return None
    for binding in bindings:
        if binding.get("host") == host:
            return binding
    if port.get("binding:host_id") == host:
        return None
    hosts = ", ".join(sorted(str(binding.get("host")) for binding in bindings))
    raise exception.InvalidBinding(
        path="bindings", found=f"bindings for {hosts}", expected=f"a binding for {host}"
    )


def _not_permitted(
    vif: VIFBase, port: Mapping[str, Any], binding: Mapping[str, Any] | None
) -> list[str]:
    """Return a sentence if the profile of the port does not permit the class of the VIF."""
    profile = binding.get("profile") if binding else port.get("binding:profile")
    member = profile.get(MEMBER) if isinstance(profile, Mapping) else None
    permitted = member.get("permitted") if isinstance(member, Mapping) else None
    if not isinstance(permitted, list) or vif.obj_name() in permitted:
        return []
    return [f"the guest permits no {vif.obj_name()}; permitted: {', '.join(map(str, permitted))}"]
