# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Values that objects accept, and the resulting values. Consumers rely on each test."""

from __future__ import annotations

import copy
import warnings

import netaddr
import pytest

from os_vif import objects
from os_vif.objects import vif as osv_vif
from tests.support.strategies import CLASSES, PROFILES, UUID, VIFS, load, make, nested

BY_VALUE = tuple(n for n in CLASSES if n.startswith(("VIF", "Host", "Datapath")))
BY_IDENTITY = tuple(n for n in CLASSES if n not in BY_VALUE)


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_keyword_is_kept_but_not_dumped(name):
    """An unknown keyword becomes a plain attribute, which is not written and is no changed field."""
    obj = make(name, full=False, no_such_field="x")
    plain = make(name, full=False)
    assert obj.no_such_field == "x"
    assert "no_such_field" not in obj
    assert obj.obj_what_changed() == plain.obj_what_changed()
    assert obj.obj_to_primitive() == plain.obj_to_primitive()


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_attribute_is_gone_after_reload(name):
    """An unknown attribute may be assigned later, and is not written."""
    obj = make(name)
    obj.no_such_field = "x"
    assert not hasattr(load(obj.obj_to_primitive()), "no_such_field")
    assert not hasattr(obj.obj_clone(), "no_such_field")


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_may_be_unset(name):
    """No class has a required field."""
    obj = getattr(objects, name)()
    set_by_itself = {
        "subnets",
        "multi_host",
        "should_provide_bridge",
        "should_provide_vlan",
        "mtu",
    }
    expected = set_by_itself if name == "Network" else set()
    assert {field for field in obj.fields if obj.obj_attr_is_set(field)} == expected


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("VIFBridge", "vif_name"),
        ("VIFBridge", "active"),
        ("VIFBridge", "port_profile"),
        ("VIFPortProfileOpenVSwitch", "create_port"),
        ("Subnet", "gateway"),
        ("SubnetList", "objects"),
        ("Network", "vlan"),
        ("InstanceInfo", "project_id"),
    ],
)
def test_unset_field_cannot_be_read(name, field):
    """Reading an unset field raises NotImplementedError, so hasattr() on it raises too."""
    obj = getattr(objects, name)()
    assert field in obj.fields
    assert field not in obj
    assert not obj.obj_attr_is_set(field)
    with pytest.raises(NotImplementedError, match=f"Cannot load '{field}' in the base class"):
        getattr(obj, field)
    with pytest.raises(NotImplementedError):
        hasattr(obj, field)


def test_name_that_is_no_field_is_an_attribute_error():
    """``hasattr(vif, 'physnet')`` is False."""
    vif = objects.VIFBridge()
    assert not hasattr(vif, "physnet")
    assert "physnet" not in vif
    with pytest.raises(AttributeError, match="physnet"):
        vif.obj_attr_is_set("physnet")


def test_objects_are_no_mappings():
    """``vif['id']`` raises an error, as in 5.3.0."""
    with pytest.raises(TypeError):
        objects.VIFBridge(id=UUID)["id"]


def test_field_may_be_deleted():
    """Deleting a field unsets it."""
    vif = objects.VIFBridge(id=UUID)
    del vif.id
    assert "id" not in vif


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        (
            "VIFBridge",
            {"active": True, "preserve_on_delete": False, "has_traffic_filtering": False},
        ),
        (
            "VIFPortProfileOpenVSwitch",
            {"create_port": False, "create_tap": False, "multiqueue": False},
        ),
        (
            "VIFPortProfileFPOpenVSwitch",
            {"create_port": False, "create_tap": False, "multiqueue": False, "hybrid_plug": False},
        ),
        ("VIFPortProfileFPBridge", {}),
        ("InstanceInfo", {}),
    ],
)
def test_defaults_are_applied_on_request_only(name, defaults):
    """A new object has no defaults until ``obj_set_defaults()``."""
    obj = getattr(objects, name)()
    assert obj.obj_to_primitive()["versioned_object.data"] == {}
    obj.obj_set_defaults()
    assert obj.obj_to_primitive()["versioned_object.data"] == defaults


@pytest.mark.parametrize("value", ["", "not-a-uuid"])
def test_uuid_that_is_none_is_kept_with_a_warning(value):
    """Neutron passes ``uuid=''`` on unbind; oslo warns of a future error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        info = objects.InstanceInfo(uuid=value)
        assert load(info.obj_to_primitive()).uuid == value
    assert {warning.category for warning in caught} == {FutureWarning}


@pytest.mark.parametrize(
    ("value", "stored"),
    [("maybe", True), ("False", True), (1, True), (None, True), ("", False), (0, False)],
)
def test_boolean_takes_the_truth_of_anything(value, stored):
    """Every non-empty value is True, even the text 'False'."""
    assert objects.VIFBridge(active=value).active is stored


@pytest.mark.parametrize(
    ("name", "field", "value", "stored"),
    [
        ("VIFBridge", "address", "FA-16-3E-00-00-0A", "fa:16:3e:00:00:0a"),
        ("VIFBridge", "address", "FA:16:3E:00:00:0A", "fa:16:3e:00:00:0a"),
        ("VIFBridge", "address", None, None),
        ("VIFBridge", "network", None, None),
        ("VIFBridge", "plugin", 5, "5"),
        ("VIFDirect", "dev_address", "0000:AF:1F.7", "0000:af:1f.7"),
        ("VIFDirect", "mode", "vepa", "vepa"),
        ("VIFVHostUser", "mode", "server", "server"),
        ("VIFHostDevice", "dev_type", "generic", "generic"),
        ("VIFNestedDPDK", "pci_address", "anything", "anything"),
        ("DatapathOffloadRepresentor", "representor_address", "anything", "anything"),
        ("DatapathOffloadRepresentor", "representor_address", None, None),
        ("VIFPortProfileOVSRepresentor", "representor_address", "0000:AF:1F.7", "0000:af:1f.7"),
        ("VIFPortProfileFPTap", "mac_address", None, None),
        ("Network", "mtu", "1450", 1450),
        ("Network", "mtu", None, None),
        ("Network", "vlan", None, None),
        ("Network", "bridge_interface", None, None),
        ("FixedIP", "address", "2001:DB8::1", netaddr.IPAddress("2001:db8::1")),
        ("FixedIP", "floating_ips", ["192.0.2.1"], [netaddr.IPAddress("192.0.2.1")]),
        ("Subnet", "cidr", "10.0.0.0/24", netaddr.IPNetwork("10.0.0.0/24")),
        ("Subnet", "cidr", "10.0.0.1", netaddr.IPNetwork("10.0.0.1/32")),
        ("Subnet", "dns", ["8.8.8.8"], [netaddr.IPAddress("8.8.8.8")]),
    ],
)
def test_value_is_coerced(name, field, value, stored):
    """MAC and PCI addresses become lower case, IP addresses become objects of netaddr."""
    found = getattr(getattr(objects, name)(**{field: value}), field)
    assert found == stored
    assert isinstance(found, type(stored))


@pytest.mark.parametrize("value", ["10.0.0.5/24", "2001:db8::5/64"])
def test_network_keeps_the_host_bits_of_a_cidr(value):
    """The host bits of a CIDR are kept and written."""
    data = objects.Subnet(cidr=value).obj_to_primitive()["versioned_object.data"]
    assert data == {"cidr": value}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("VIFBridge", "id", None),
        ("VIFBridge", "plugin", None),
        ("VIFBridge", "plugin", b"ovs"),
        ("VIFBridge", "port_profile", None),
        ("VIFBridge", "port_profile", "VIFPortProfileOpenVSwitch"),
        ("VIFBridge", "address", ""),
        ("VIFBridge", "address", "fa163e000001"),
        ("VIFBridge", "address", "fa:16:3e:00:00"),
        ("VIFDirect", "dev_address", "03:00.1"),
        ("VIFDirect", "dev_address", "00000000:03:00.1"),
        ("VIFDirect", "dev_address", "10000:03:00.1"),
        ("VIFDirect", "dev_address", "0000:03:20.1"),
        ("VIFDirect", "dev_address", "0000:03:00.8"),
        ("VIFDirect", "dev_address", None),
        ("VIFDirect", "mode", "VEPA"),
        ("VIFVHostUser", "mode", "vepa"),
        ("VIFHostDevice", "dev_type", ""),
        ("VIFPortProfileOVSRepresentor", "representor_address", "anything"),
        ("FixedIP", "address", ""),
        ("FixedIP", "address", "10.0.0.0/24"),
        ("FixedIP", "address", "10.0.0.256"),
        ("FixedIP", "address", None),
        ("FixedIP", "floating_ips", ["192.0.2.1", "x"]),
        ("FixedIP", "floating_ips", None),
        ("Subnet", "cidr", "10.0.0.0/33"),
        ("Network", "mtu", "big"),
    ],
)
def test_value_is_refused(name, field, value):
    """MAC, PCI and IP addresses, enumerations and object types are checked on assignment."""
    with pytest.raises(ValueError, match=r"."):
        getattr(objects, name)(**{field: value})


@pytest.mark.parametrize(
    ("name", "field", "other"),
    [
        ("VIFBridge", "network", "Subnet"),
        ("VIFBridge", "port_profile", "Network"),
        ("Network", "subnets", "RouteList"),
        ("Subnet", "ips", "SubnetList"),
        ("VIFPortProfileBase", "datapath_offload", "VIFPortProfileBase"),
    ],
)
def test_object_of_another_class_is_refused(name, field, other):
    """A field accepts the declared class, and subclasses if the field is open."""
    with pytest.raises(ValueError, match=other):
        getattr(objects, name)(**{field: getattr(objects, other)()})


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", VIFS)
def test_every_vif_takes_every_port_profile(name, profile):
    """The field is open: the profile keeps class and fields."""
    vif = make(name, port_profile=make(profile))
    assert type(vif.port_profile) is getattr(objects, profile)
    assert vif.port_profile.obj_name() == profile
    assert "datapath_offload" in vif.port_profile.fields
    assert "port_profile" in vif.fields
    assert "port_profile" in vif


@pytest.mark.parametrize(
    ("list_name", "name"),
    [("SubnetList", "Subnet"), ("RouteList", "Route"), ("FixedIPList", "FixedIP")],
)
def test_list_behaves_as_a_sequence(list_name, name):
    """A list object and the field ``objects`` support index, iteration and ``len()``."""
    items = [make(name), make(name)]
    listed = getattr(objects, list_name)(objects=items)
    assert listed[0] is items[0]
    assert listed[-1] is items[1]
    assert [id(item) for item in listed] == [id(item) for item in items]
    assert len(listed) == len(listed.objects) == 2
    assert type(listed[:1]) is type(listed)
    assert not getattr(objects, list_name)(objects=[])
    listed.objects.append(make(name))
    assert len(listed) == 3


def test_positional_argument_of_a_list_is_no_content():
    """``SubnetList([subnet])`` passes the context of oslo, and leaves the list unset."""
    listed = objects.SubnetList([objects.Subnet()])
    assert "objects" not in listed
    assert listed.obj_to_primitive()["versioned_object.data"] == {}
    with pytest.raises(NotImplementedError):
        len(listed)


def test_network_sets_five_fields_itself():
    """The five fields of a new network are set and changed."""
    network = objects.Network()
    assert network.subnets.objects == []
    assert network.multi_host is False
    assert network.should_provide_bridge is False
    assert network.should_provide_vlan is False
    assert network.mtu is None
    assert network.obj_what_changed() == {
        "subnets",
        "multi_host",
        "should_provide_bridge",
        "should_provide_vlan",
        "mtu",
    }


def test_network_takes_what_the_caller_says():
    """An argument wins over the default, and networks share no list."""
    network = objects.Network(mtu=1450, multi_host=True)
    assert (network.mtu, network.multi_host) == (1450, True)
    network.subnets.objects.append(objects.Subnet())
    assert len(objects.Network().subnets) == 0


@pytest.mark.parametrize("name", VIFS)
def test_vif_needs_no_id(name):
    """Neutron creates VIFs and networks without an id."""
    vif = make(name, full=False, network=objects.Network(bridge="br-int"))
    del vif.id
    again = load(vif.obj_to_primitive())
    assert "id" not in again
    assert "id" not in again.network
    assert again == vif


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("clone", [lambda obj: obj.obj_clone(), copy.deepcopy])
def test_clone_shares_nothing_but_has_the_same_data(name, clone):
    """A clone has the same primitive, and shares no object with the original."""
    obj = make(name)
    other = clone(obj)
    assert type(other) is type(obj)
    assert other.obj_to_primitive() == obj.obj_to_primitive()
    assert not {id(o) for o in nested(obj)} & {id(o) for o in nested(other)}


@pytest.mark.parametrize("name", CLASSES)
def test_shallow_copy_has_the_same_data(name):
    """``copy.copy`` returns another object with the same values."""
    obj = make(name)
    other = copy.copy(obj)
    assert other is not obj
    assert other.obj_to_primitive() == obj.obj_to_primitive()


@pytest.mark.parametrize("name", BY_VALUE)
def test_objects_with_a_value_are_compared_by_it(name):
    """Objects are equal if all fields and the changed fields are equal."""
    obj = make(name)
    assert obj == make(name)
    assert (obj != make(name)) is False
    assert obj == load(obj.obj_to_primitive())
    assert obj != name
    for field in obj.fields:
        other = make(name)
        delattr(other, field)
        assert obj != other
        other = make(name)
        other.obj_reset_changes(recursive=True)
        assert obj != other


@pytest.mark.parametrize("name", BY_IDENTITY)
def test_other_objects_are_compared_by_identity(name):
    """Networks, subnets, routes, addresses, lists and instances are compared by identity."""
    obj = make(name)
    assert obj == obj  # noqa: PLR0124
    assert obj != make(name)
    assert obj != obj.obj_clone()


def test_vifs_of_different_classes_are_different():
    """Objects of two classes with the same fields are not equal."""
    assert make("VIFBridge") != make("VIFOpenVSwitch")


def test_vif_may_be_a_key():
    """Objects are hashed by identity, even classes that are compared by value."""
    first, second = make("VIFBridge"), make("VIFBridge")
    assert len({first: 1, second: 2}) == 2


def test_representor_profile_announces_its_end():
    """Creating the deprecated profile warns, with the line of the caller."""
    with pytest.warns(PendingDeprecationWarning, match="VIFPortProfileOVSRepresentor") as caught:
        osv_vif.VIFPortProfileOVSRepresentor(representor_name="rep0")
    assert [warning.filename for warning in caught] == [__file__]


def test_printable_objects_print_their_primitive():
    """``str()`` of host information is the primitive; ``str()`` of a VIF is the repr."""
    plugin = make("HostPluginInfo")
    assert str(plugin) == str(plugin.obj_to_primitive())
    vif = objects.VIFBridge(id=UUID)
    assert str(vif) == repr(vif)
    assert f"id={UUID}" in repr(vif)
    assert "vif_name=<?>" in repr(vif)
