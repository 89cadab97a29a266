# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Binding of a port of neutron to the first host that can plug the VIF of the port."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from os_vif import exception
from os_vif.codec.path import describe
from os_vif.codec.unknown import Loss
from os_vif.negotiation import plug_rules, trusted_release, written_vif
from os_vif.negotiation.neutron_limits import require_fits_column
from os_vif.negotiation.neutron_objects import ApiObject, invalid
from os_vif.negotiation.offer_fields import field_of
from os_vif.negotiation.vif_exchange import vif_of
from os_vif.objects import HostOffer, VIFBase
from os_vif.objects.versioning.releases import CURRENT_RELEASE

#: The member of ``vif_details`` with the document, and of ``profile`` with the permitted classes.
MEMBER = "os_vif"
#: The largest offer for a column of neutron, in bytes; an agent has about 1,100 bytes of its own.
#: An offer with the plugins of os-vif has at most 2,000 bytes.
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

        The details have no document for a host with a public release, which reads none: a document
        of an earlier host in *details* is left out.

        :raises os_vif.exception.InvalidBinding: with the sizes, if neutron's column is too small.
        """
        merged = dict(ApiObject.of(details, "vif_details").members)
        merged.pop(MEMBER, None)
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
    bindings: Sequence[Mapping[str, Any]] | Mapping[str, Any] = (),
) -> Bound:
    """Bind a port to the first offer that can plug the VIF, written for the release of the host.

    :param port: the port, as in neutron's API. ``binding:profile["os_vif"]["permitted"]`` may list
        the names of the VIF classes for the guest.
    :param network: the network of the port. Of a network with ``segments``, the host needs the
        physical network of one segment.
    :param subnets: the subnets of the port.
    :param offers: the offers of hosts in order of preference.
    :param bindings: the answer of ``GET /v2.0/ports/{id}/bindings``, or the list in the answer; the
        binding of the host of an offer is used. By default the binding of the port itself, for
        offers of the host ``binding:host_id`` and for offers without a host.
    :raises os_vif.exception.NoUsableOffer: if no offer can, with the reason of each host.
    :raises os_vif.exception.InvalidBinding: for a port, network or bindings of a wrong type, and
        for an unusable port, if the only offer has no other reason.
    :raises os_vif.exception.SerializationError: for an unreadable document in the binding, if the
        only offer has no other reason.
    :raises os_vif.exception.InvalidField: for offers of a wrong type, and for an offer without a
        usable release, if there is no other offer.
    """
    ApiObject.of(port, "port")
    ApiObject.of(network, "network")
    listed = _listed_bindings(bindings)
    reasons: list[str] = []
    failure: exception.SerializationError | exception.InvalidField | None = None
    for offer in _checked(offers):
        name = plug_rules.host_name(offer)
        try:
            binding = _binding_of(port, listed, offer)
            vif = vif_of(port, network, subnets, binding)
            found = [
                *_not_permitted(vif, port, binding),
                *plug_rules.refusals(vif, offer),
                *_missing_networks(network, offer),
            ]
            written = None if found else written_vif.write_for(vif, offer)
        except (exception.SerializationError, exception.InvalidField) as error:
            # The offer or the binding of a host says nothing about the other hosts.
            failure = error
            reasons.append(f"{name}: {str(error).removesuffix('.')}")
            continue
        if written is not None:
            found = [*_refused_losses(vif, offer, written)]
            if written.text is not None and not found:
                return Bound(
                    text=written.text,
                    vif=vif,
                    release=written.release,
                    losses=written.losses,
                    host=field_of(offer, "host"),
                    assumption=field_of(offer, "assumption"),
                )
            if written.reason is not None:
                found.append(written.reason)
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
    :raises os_vif.exception.InvalidField: for an offer without a usable release.
    """
    for name, value in (
        ("configurations", configurations),
        ("resource_versions", resource_versions),
    ):
        ApiObject.of(value, name)
    if not isinstance(offer, HostOffer):
        raise exception.InvalidField(field="offer", found=describe(offer), expected="a HostOffer")
    release = field_of(offer, "release")
    if release is None:
        raise exception.InvalidField(
            field="offer.release", found="unset", expected="a release of os-vif, such as '5.3.0'"
        )
    trusted_release.known_release(release, "offer.release", field_of(offer, "host"))
    text = offer.canonical()
    if len(text) > LARGEST_OFFER:
        raise exception.InvalidBinding(
            path=f"configurations.{MEMBER}",
            found=f"an offer of {len(text)} bytes",
            expected=f"at most {LARGEST_OFFER} bytes",
        )
    merged = {**configurations, MEMBER: json.loads(text)}
    versions = {**resource_versions, MEMBER: release}
    require_fits_column("configurations", merged)
    require_fits_column("resource_versions", versions)
    return merged, versions


def profile_of_guest(profile: Mapping[str, Any], permitted: Iterable[str]) -> dict[str, Any]:
    """Return ``binding:profile`` with the names of the VIF classes that the guest permits.

    :raises os_vif.exception.InvalidBinding: for values of a wrong type, and, with the sizes, if
        neutron's column is too small.
    """
    ApiObject.of(profile, "profile")
    is_list = isinstance(permitted, Iterable) and not isinstance(permitted, str | bytes | Mapping)
    names = list(permitted) if is_list else []
    if not is_list or not all(isinstance(name, str) for name in names):
        found = "an array with other values" if is_list else describe(permitted)
        raise invalid("permitted", found, "a list of names of VIF classes")
    merged = {**profile, MEMBER: {"permitted": sorted(set(names))}}
    require_fits_column("profile", merged)
    return merged


def _listed_bindings(bindings: Any) -> list[Mapping[str, Any]]:
    """Return the bindings of a port, also from the whole answer of neutron's API.

    :raises os_vif.exception.InvalidBinding: for values of a wrong type.
    """
    answer = bindings if isinstance(bindings, Mapping) else {"bindings": bindings}
    if "bindings" not in answer:
        raise invalid("bindings", describe(bindings), "an array, or an object with bindings")
    return [binding.members for binding in ApiObject(answer, "").objects("bindings")]


def _checked(offers: Any) -> Iterator[HostOffer]:
    """Yield the offers.

    :raises os_vif.exception.InvalidField: for values of a wrong type.
    """
    if isinstance(offers, HostOffer | str | bytes | Mapping) or not isinstance(offers, Iterable):
        raise exception.InvalidField(
            field="offers", found=describe(offers), expected="a list of offers"
        )
    for index, offer in enumerate(offers):
        if not isinstance(offer, HostOffer):
            raise exception.InvalidField(
                field=f"offers[{index}]", found=describe(offer), expected="a HostOffer"
            )
        yield offer


def _missing_networks(network: Mapping[str, Any], offer: HostOffer) -> list[str]:
    """Return sentences if the host lacks the physical network of the port, or of each segment.

    :raises os_vif.exception.InvalidBinding: for a segment of a wrong type.
    """
    name = "provider:physical_network"
    whole = ApiObject.of(network, "network")
    segments = [whole] if whole.is_set(name) else whole.objects("segments")
    missing = [
        list(plug_rules.missing_network(segment.optional_text(name), offer))
        for segment in segments
    ]
    return [sentence for found in missing for sentence in found] if all(missing) else []


def _refused_losses(vif: VIFBase, offer: HostOffer, written: written_vif.Written) -> Iterator[str]:
    """Yield a sentence for a lost port profile, and for a lost VLAN of an SR-IOV device.

    Without the VLAN, the guest would be in another network.
    """
    profile = field_of(vif, "port_profile")
    has_vlan = profile is not None and profile.obj_name() == "VIFPortProfileSRIOV"
    for loss in written.losses:
        if loss.path == "port_profile" or (has_vlan and loss.path == "port_profile.vlan"):
            yield (
                f"{plug_rules.host_name(offer)} has os-vif {written.release}, which cannot read {loss}"
            )


def _binding_of(
    port: Mapping[str, Any], bindings: Sequence[Mapping[str, Any]], offer: HostOffer
) -> Mapping[str, Any] | None:
    """Return the binding for the host of an offer, or None for the binding of the port.

    :raises os_vif.exception.InvalidBinding: if the port has no binding for the host.
    """
    host, bound_host = field_of(offer, "host"), port.get("binding:host_id")
    if host is None or host == bound_host:
        found = [binding for binding in bindings if host and binding.get("host") == host]
        return found[0] if found else None
    if not bindings:
        if not bound_host:
            return None
        raise invalid(
            "port.binding:host_id",
            describe(bound_host),
            f"{host!r}, the host of the offer, or the bindings of the port",
        )
    for binding in bindings:
        if binding.get("host") == host:
            return binding
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
