# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Random documents, and random damaged documents."""

from __future__ import annotations

import copy
import re

import jsonschema
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec import unknown
from os_vif.serialization import from_document, to_document
from tests.support.strategies import ALL, SUBCLASSES, any_object, any_objects

KINDS = tuple(sorted(ALL))
VIFS = SUBCLASSES["VIFBase"]

RANDOM = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _pattern(validator, pattern, instance, schema):
    """Match a pattern as ECMA-262 does: ``$`` is the very end. In Python a line feed may
    follow.
    """
    if validator.is_type(instance, "string") and not re.search(
        pattern.replace("$", r"\Z"), instance
    ):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _type(validator, types, instance, schema):
    if instance is not None or not schema.get("nullable"):
        yield from jsonschema.Draft202012Validator.VALIDATORS["type"](
            validator, types, instance, schema
        )


#: JSON Schema, with patterns of ECMA-262.
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
#: The keywords of OpenAPI in structural schemas.
StructuralValidator = jsonschema.validators.extend(Validator, {"type": _type})


def is_readable(document):
    """Return whether the library reads a document. Other errors than SerializationError are
    raised.
    """
    try:
        from_document(document)
    except exception.SerializationError:
        return False
    return True


@st.composite
def _with_addresses(draw, objects):
    """Draw objects; VIFs may have addresses in the field of release 1.8.0."""
    obj = draw(objects)
    if obj.obj_name() in VIFS and draw(st.booleans()):
        obj.fixed_ips = draw(any_object("FixedIPList"))
    _complete(obj)
    return obj


def _complete(value):
    """Set the members of unset lists: an unset list cannot be written."""
    if isinstance(value, ovo.VersionedObject):
        if "objects" in value.fields and not value.obj_attr_is_set("objects"):
            value.objects = []
        for _, inner in unknown.contents(value):
            _complete(inner)
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _complete(inner)


def any_document(kinds=KINDS):
    """Return a strategy for the documents of random objects."""
    return _with_addresses(any_objects(kinds)).map(to_document)


#: Strings that are nearly valid values, or look like valid values.
STRINGS = (
    *("", " ", "\n", "null", "true", "0", "1.0", "vepa", "Vepa", "vepa\n", "server", "generic"),
    *("10.0.0.5", "10.0.0.5\n", " 10.0.0.5", "10.0.0.05", "10.0.0", "10.0.0.256", "0x0a000005"),
    *("2001:db8::2", "2001:DB8::2", "::", ":::", "1::2::3", "::ffff:10.0.0.5", "fe80::1%eth0"),
    *("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8::", "12345::", "\uff11.1.1.1", "\u0661.1.1.1", "::1."),
    *("10.0.0.0/24", "10.0.0.5/24", "10.0.0.0/33", "10.0.0.0/024", "10.0.0.0/", "10.0.0.0/-1"),
    *("10.0.0.0/255.255.255.0", "10/8", "2001:db8::/32", "::/0", "::/129", "::/128\n", "::/ 1"),
    *("fa:16:3e:00:00:01", "FA-16-3E-00-00-01", "fa16.3e00.0001", "fa:16:3e:00:00:01\n"),
    *("fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa:16:3e:00:00:01:02", "fa163e000001"),
    *("0000:03:00.1", "0000:03:00:1", "0000:03:00\n1", "0000:03:00\u01301", "0000:03:00\u212a1"),
    *(
        "0000:03:20.1",
        "0000:03:00.8",
        "10000:03:00.1",
        "03:00.1",
        "ABCD:EF:1F.7",
        "0000:03:00.1\n",
    ),
    *("0000:03:00\U0001f5271", "0000:03:00\r1", "0000:03:00\u20281"),
    *KINDS,
)
_NUMBERS = (0, 1, -1, 1.0, -0.0, 1e3, 1.5, 1e300, 2**63, -(2**64), 10**40)
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_NUMBERS),
    st.sampled_from(STRINGS),
    st.text(max_size=3),
    st.builds(list),
    st.builds(dict),
    st.lists(st.sampled_from(STRINGS), max_size=2),
    st.builds(lambda kind: {"kind": kind}, st.sampled_from((*KINDS, "VIF", 1, None))),
    st.builds(lambda kind: {"apiVersion": "os-vif/2.0", "kind": kind}, st.sampled_from(KINDS)),
)
_NAMES = st.sampled_from(
    (
        *("apiVersion", "kind", "objects", "fixed_ips", "id", "network", "subnets", "address"),
        *("mtu", "port_profile", "datapath_offload", "mode", "dns", "ips", "ID", "", "unknown"),
    )
)


def _places(value, place=()):
    """Yield the path of every value in plain data."""
    yield place
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from _places(item, (*place, key))


def _at(value, place):
    for key in place:
        value = value[key]
    return value


@st.composite
def any_damaged_document(draw, kinds=KINDS):
    """Draw a document of this minor version with a random change. The document may still be
    valid.
    """
    document = copy.deepcopy(draw(any_document(kinds)))
    for _ in range(draw(st.integers(1, 2))):
        places = [place for place in _places(document) if place]
        if not places:
            break
        *place, key = draw(st.sampled_from(places))
        _damage(draw, document, _at(document, place), key)
    assume(not re.fullmatch(r"os-vif/2\.[1-9]\d*", str(document.get("apiVersion"))))
    return document


def _damage(draw, document, inside, key):
    """Change a value or name in an object or array."""
    value = copy.deepcopy(draw(_VALUES))
    match draw(st.sampled_from(("replace", "edit", "remove", "add", "move"))):
        case "edit" if isinstance(inside[key], str):
            inside[key] = draw(edited_text(inside[key]))
        case "remove":
            del inside[key]
        case "add" if isinstance(inside, dict):
            inside[draw(_NAMES)] = value
        case "add":
            inside.append(value)
        case "move":
            inside[key] = copy.deepcopy(_at(document, draw(st.sampled_from([*_places(document)]))))
        case _:
            inside[key] = value


@st.composite
def edited_text(draw, text, characters="0123456789aAfFgG.:-/% \n\u0661"):
    """Draw a text with an inserted, replaced or deleted character."""
    where = draw(st.integers(0, len(text)))
    character = draw(st.sampled_from(("", *characters)))
    return text[:where] + character + text[where + draw(st.integers(0, 1)) :]
