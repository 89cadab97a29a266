# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Keep lists of a garbage collection: the VIFs that are in use, from several sources.

:func:`parse` accepts these formats, which the first character and the first line decide:

* a line for each VIF id, instance uuid or instance name; ``#`` begins a comment,
* the output of ``virsh list --uuid``, ``virsh domiflist`` and ``virsh dumpxml``, also of several
  domains one after the other,
* documents and OVO primitives of VIFs and instances, as one object, a list or lines,
* ``kubectl get kuryrports -o json``; the command reads YAML, too,
* an object with ``cni.dev/valid-attachments``, as libcni passes to a plugin for ``GC``.

A text in none of the formats is an error: a keep list that is read wrongly deletes VIFs in use.
UUIDs and MAC addresses are normalised: upper case, UUIDs without dashes, in braces or after
``urn:uuid:``, and MAC addresses with dashes are the same names.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from os_vif import exception, objects, serialization
from os_vif.escape import abbreviated
from os_vif.serialization import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.operations.plugged import Plugged

#: An id, a name of a device or a MAC address. An error message of a program has spaces.
_WORD = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.:@/-]{0,254}")
#: The first characters of a UUID, as in the names of devices.
_BEGINNING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{2,3}")
#: A UUID in each usual form, and a MAC address with colons or dashes; in lower case.
_UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})(?(1)\})"
)
_MAC = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}")
#: Words that a program prints for a missing value.
_NO_NAMES = frozenset(
    ("none", "null", "nil", "undefined", "true", "false", "nan", "error", "warning")
)
_DOMIFLIST = ["Interface", "Type", "Source", "Model", "MAC"]
_ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")


@dataclasses.dataclass(frozen=True)
class KeepList:
    """Names of VIFs in use. An entry of the inventory with one of the names is kept."""

    #: VIF ids, instance uuids, instance names, device names and MAC addresses, in lower case.
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str | uuid.UUID]) -> KeepList:
        """Return the keep list of VIF ids, instance uuids or other names.

        :raises os_vif.exception.InvalidField: if *names* is a text or no iterable, or if an item is
            neither a text nor a UUID, or is empty.
        """
        if isinstance(names, str | bytes) or not isinstance(names, Iterable):
            raise _invalid_argument(f"of the type {type(names).__name__}")
        found = set()
        for name in names:
            if not isinstance(name, str | uuid.UUID):
                raise _invalid_argument(f"a list with an item of the type {type(name).__name__}")
            if not (normal := normalised(str(name))):
                raise _invalid_argument("a list with an empty name")
            found.add(normal)
        return cls(frozenset(found))

    def __or__(self, other: KeepList) -> KeepList:
        return KeepList(self.names | other.names)

    def __bool__(self) -> bool:
        return bool(self.names)

    def keeps(self, entry: Plugged) -> bool:
        """Return whether an entry of the inventory has a name of the list."""
        if not self.names.isdisjoint(map(normalised, names_of(entry))):
            return True
        # Of remains, only the first characters of the id are known.
        beginning = entry.id.lower()
        return bool(_BEGINNING.fullmatch(beginning)) and any(
            name.startswith(beginning) for name in self.names
        )


def normalised(name: str) -> str:
    """Return a name without blanks around, in lower case, and a UUID or MAC address in one form."""
    name = name.strip().lower()
    if (found := _UUID.fullmatch(name)) is not None:
        return "-".join(found.groups()[1:])
    return name.replace("-", ":") if _MAC.fullmatch(name) else name


def _invalid_argument(found: str) -> exception.InvalidField:
    """Return the error of an unusable argument of :func:`os_vif.collect`."""
    return exception.InvalidField(
        field="keep", found=found, expected="a list of ids, or a function of an entry"
    )


def _is_name(word: str) -> bool:
    """Return whether a word of a keep list may be a name."""
    name = normalised(word)
    return _WORD.fullmatch(name) is not None and not name.endswith(":") and name not in _NO_NAMES


def names_of(entry: Plugged) -> Iterator[str]:
    """Yield the names with which a keep list may mean an entry."""
    yield entry.id
    yield from entry.devices
    if entry.port is not None:
        yield entry.port
    for holder, fields in (
        (entry.vif, ("id", "vif_name", "address")),
        (_profile_of(entry.vif), ("interface_id",)),
        (entry.instance, ("uuid", "name")),
    ):
        for field in fields:
            if holder is not None and field in holder and getattr(holder, field):
                yield str(getattr(holder, field))
    # A VIF without an id is known by the Neutron port.
    profile = getattr(entry.vif, "_obj_port_profile", None)
    if interface_id := getattr(profile, "_obj_interface_id", None):
        yield str(interface_id)


def _profile_of(vif: objects.VIFBase) -> objects.VIFPortProfileBase | None:
    """Return the port profile of a VIF with a Neutron port, or None."""
    profile = vif.port_profile if "port_profile" in vif else None
    return profile if profile is not None and "interface_id" in profile.fields else None


def parse(text: str, source: str = "keep list") -> KeepList:
    """Return the keep list in a text. A text without a name is an empty list.

    :param source: name of the file, for errors.
    :raises os_vif.exception.InvalidField: if a part of the text has an unknown format.
    """
    start = text.lstrip("\ufeff \t\r\n")
    try:
        if start[:1] in ("{", "[") and _UUID.fullmatch(start.split(None, 1)[0].lower()) is None:
            return KeepList.of(name for value in _read_json(start) for name in _of_json(value))
        if start[:1] == "<":
            return KeepList.of(_of_domains(start))
        return KeepList.of(_of_lines(start))
    except _FormatError as error:
        raise exception.InvalidField(
            field=source,
            found=str(error),
            expected="ids, one on a line; output of virsh list --uuid, domiflist or dumpxml; JSON or "
            "YAML of VIFs, of KuryrPorts, or with cni.dev/valid-attachments",
        ) from error


class _FormatError(Exception):
    """A part of a keep list has an unknown format."""


def _of_lines(text: str) -> Iterator[str]:
    """Yield the words of plain lines, and the devices and MAC addresses of ``virsh domiflist``."""
    in_table = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words == _DOMIFLIST:
            in_table = True
        elif not words or (in_table and set(words[0]) == {"-"} and len(words) == 1):
            continue
        elif in_table and len(words) == len(_DOMIFLIST):
            # A domain that is shut off has no device.
            yield from (word for word in (words[0], words[-1]) if word != "-")
        elif len(words) == 1 and _is_name(words[0]):
            yield words[0]
        else:
            raise _FormatError(f"line {number}: {abbreviated(line, 80)}")


def _read_json(text: str) -> Iterator[Any]:
    """Yield the JSON values of a text: one value, or several one after the other."""
    rest = text.strip()
    while rest:
        try:
            value, end = json_text.parse_first(rest)
        except exception.MalformedDocument as error:
            raise _FormatError(f"JSON that cannot be read ({error.found})") from error
        yield from value if isinstance(value, list) else [value]
        rest = rest[end:].lstrip()


def _of_json(value: Any) -> Iterator[str]:
    """Yield the names in a JSON value."""
    if isinstance(value, str) and _is_name(value):
        yield value
    elif isinstance(value, str):
        raise _FormatError(f"the word {abbreviated(value, 80)}")
    elif isinstance(value, dict) and any(key in value for key in _ATTACHMENTS):
        yield from _of_attachments(value)
    elif isinstance(value, dict) and str(value.get("kind", "")) in ("KuryrPortList", "List"):
        for item in _list_at(value, "items"):
            yield from _of_json(item)
    elif isinstance(value, dict) and value.get("kind") == "KuryrPort":
        yield from _of_kuryr_port(value)
    else:
        yield from _of_object(value)


def _of_object(value: Any) -> Iterator[str]:
    """Yield the id of a VIF or an instance: a document or an OVO primitive."""
    try:
        loaded: Any = serialization.loads(json.dumps(value))
    except exception.ExceptionBase as error:
        raise _FormatError(f"{abbreviated(value, 80)} ({error})") from error
    field = "uuid" if isinstance(loaded, objects.InstanceInfo) else "id"
    if not isinstance(loaded, objects.InstanceInfo | objects.VIFBase) or field not in loaded:
        raise _FormatError(f"an object {loaded.obj_name()} without {field}")
    yield str(getattr(loaded, field))


def _of_kuryr_port(port: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pod and the VIFs of a KuryrPort. A port without VIFs keeps those of the pod."""
    spec, status = port.get("spec") or {}, port.get("status") or {}
    pod = spec.get("podUid") if isinstance(spec, dict) else None
    vifs = status.get("vifs") or {} if isinstance(status, dict) else None
    if not isinstance(pod, str) or not isinstance(vifs, dict):
        raise _FormatError(
            f"a KuryrPort without spec.podUid or status.vifs: {abbreviated(port, 80)}"
        )
    yield pod
    for vif in vifs.values():
        if not isinstance(vif, dict) or "vif" not in vif:
            raise _FormatError(f"status.vifs with {abbreviated(vif, 80)}")
        yield from _of_object(vif["vif"])


def _of_attachments(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the container ids of the attachments; the VIFs of a container are kept together."""
    for key in _ATTACHMENTS:
        for attachment in _list_at(value, key) if key in value else ():
            found = attachment.get("containerID") if isinstance(attachment, dict) else None
            if not isinstance(found, str) or not _is_name(found):
                raise _FormatError(f"{key} with {abbreviated(attachment, 80)}")
            yield found


def _list_at(value: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list of a key."""
    found = value.get(key)
    if not isinstance(found, list):
        raise _FormatError(f"{key} with {abbreviated(found, 80)}")
    return found


def _of_domains(text: str) -> Iterator[str]:
    """Yield uuid, devices, MAC addresses and port ids of domains, from ``virsh dumpxml``."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _FormatError("XML with a document type, which virsh does not write")
    bare = re.sub(r"<\?xml[^>]*\?>", "", text)
    try:
        # Without a document type, no entity can be expanded.
        found = ET.fromstring(f"<domains>{bare}</domains>")  # noqa: S314
    except ET.ParseError as error:
        raise _FormatError(f"XML that cannot be read ({error})") from error
    for domain in found:
        domain_id = domain.findtext("uuid")
        if domain.tag != "domain" or not domain_id:
            raise _FormatError(f"XML with <{domain.tag}>; expected <domain> with <uuid>")
        yield domain_id.strip()
        for interface in domain.iterfind("./devices/interface"):
            paths = (
                ("target", "dev"),
                ("mac", "address"),
                ("virtualport/parameters", "interfaceid"),
            )
            for path, attribute in paths:
                element = interface.find(path)
                if element is not None and (name := element.get(attribute)):
                    yield name
