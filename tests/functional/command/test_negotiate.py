# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif negotiate``: offers of this host and of files, bound ports, and verdicts."""

from __future__ import annotations

import json

import pytest

from os_vif import negotiation, serialization
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.negotiation.host_offers import full_offer, host_info_text, our_offer
from tests.support.negotiation.neutron_cases import case

TAP = {"port_filter": True, "ovs_create_tap": True, "datapath_type": "system"}
HYBRID = {"port_filter": True, "ovs_hybrid_plug": True, "datapath_type": "system"}


@pytest.fixture
def files(tmp_path):
    """Write files by name; return the directory."""

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.json").write_text(
                text if isinstance(text, str) else json.dumps(text), "utf-8"
            )
        return tmp_path

    return write


def port(**details):
    made = case("a port", **details)
    made.port["binding:host_id"] = ""
    return {"port": made.port, "network": made.network, "subnets": made.subnets}


def vif_text(**details):
    return serialization.dumps(negotiation.vif_of(*case("a port", **details).arguments()))


def test_the_offer_of_this_host_is_canonical(os_vif):
    """Two runs print the same bytes, which validate."""
    done = os_vif("negotiate", "offer", "--host", "host-a", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) <= 1500
    assert os_vif("negotiate", "offer", "--host", "host-a", "-f", "json").stdout == done.stdout
    assert serialization.loads(done.stdout).canonical().decode() + "\n" == done.stdout
    assert os_vif("validate", "-", text=done.stdout).returncode == 0
    again = os_vif("negotiate", "offer", "-", "-f", "json", text=done.stdout)
    assert again.stdout == done.stdout


def test_the_offer_has_the_guest(os_vif):
    """The options tell the memory and the device models."""
    arguments = ("--guest-memory", "shared", "--guest-model", "virtio", "-f", "json")
    offer = serialization.loads(os_vif("negotiate", "offer", *arguments).stdout)
    assert (offer.guest.memory, offer.guest.models) == ("shared", ["virtio"])


def test_the_table_has_the_fingerprint(os_vif):
    """And the size, and the assumption of a release."""
    text = full_offer().canonical().decode()
    done = os_vif("negotiate", "offer", "-", "-f", "value", "-c", "fingerprint", text=text)
    assert done.stdout == f"{full_offer().fingerprint}\n"
    done = os_vif("negotiate", "offer", "-", text=host_info_text("5.3.0"))
    assert "release 1.11.0 is assumed" in done.stdout
    done = os_vif("negotiate", "offer", "-", "--release", "5.3.0", text=host_info_text("5.3.0"))
    assert "assumed" not in done.stdout


def test_a_port_is_bound(os_vif, files):
    """The text is for the release of the first host that can plug the port."""
    folder = files(
        port=port(**TAP),
        agent={"agent_type": "NIC Switch agent", "host": "host-n", "configurations": {}},
        public=host_info_text("5.3.0"),
        ours=our_offer().canonical().decode(),
    )
    arguments = ("negotiate", "bind", f"{folder}/port.json", "-f", "json")
    offers = [f"--offer={folder}/{name}.json" for name in ("agent", "public", "ours")]
    bound = json.loads(os_vif(*arguments, *offers).stdout)
    assert bound["release"] == "1.11.0"
    assert len(bound["losses"]) == 2
    assert "assumed" in bound["assumption"]
    bound = json.loads(os_vif(*arguments, offers[0], offers[2]).stdout)
    assert (bound["host"], bound["release"]) == ("host-a", CURRENT_RELEASE)
    assert (bound["kind"], bound["losses"]) == ("VIFOpenVSwitch", [])
    assert serialization.loads(bound["text"]).plugin == "ovs"
    table = os_vif("negotiate", "bind", f"{folder}/port.json", offers[2]).stdout
    assert f"document, {len(bound['text'])} bytes" in table
    assert "apiVersion" not in table
    text = os_vif(
        "negotiate", "bind", f"{folder}/port.json", offers[2], "-f", "value", "-c", "text"
    )
    assert text.stdout == f"{bound['text']}\n"
    done = os_vif(*arguments, offers[0])
    assert (done.returncode, done.stdout) == (3, "")
    assert "host-n has no plugin 'ovs'" in done.stderr
    answer = {"bindings": [{"host": "host-a", "vif_type": "ovs", "vif_details": HYBRID}]}
    files(moved=port(**TAP) | {"bindings": answer})
    moved = os_vif("negotiate", "bind", f"{folder}/moved.json", offers[2], "-f", "json")
    assert json.loads(moved.stdout)["kind"] == "VIFBridge"


def test_a_verdict(os_vif, files):
    """Exit code 3 for a migration that is not possible."""
    folder = files(
        here=vif_text(**TAP),
        there=vif_text(**HYBRID),
        outage=vif_text(**HYBRID, ovs_create_tap=True),
        ours=our_offer().canonical().decode(),
    )
    offer = f"--offer={folder}/ours.json"

    def verdict(there, *more):
        here = f"{folder}/here.json"
        return os_vif("negotiate", "verdict", here, f"{folder}/{there}.json", offer, *more)

    done = verdict("there", "-f", "json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert answer["possible"] is True
    assert {"path": "kind", "here": "VIFOpenVSwitch", "there": "VIFBridge"} in answer["changes"]
    done = verdict("outage")
    assert done.returncode == 3
    assert "ovs_create_tap with ovs_hybrid_plug" in done.stdout
    assert json.loads(verdict("here", "-f", "json").stdout)["changes"] == []


def test_a_verdict_reads_each_form_and_standard_input(os_vif, files):
    """An OVO primitive and a document of the same VIF have no changes; another id is a reason."""
    vif = negotiation.vif_of(*case("a port", **TAP).arguments())
    primitive = serialization.dumps(vif, release="5.3.0")
    vif.id = "11111111-2222-4333-8444-555555555556"
    folder = files(
        there=vif_text(**TAP), other=serialization.dumps(vif), public=host_info_text("5.3.0")
    )

    def verdict(there, *more):
        arguments = ("negotiate", "verdict", "-", f"{folder}/{there}.json", "-f", "json")
        offer = f"--offer={folder}/public.json"
        return os_vif(*arguments, offer, *more, text=primitive)

    done = verdict("there", "--release", "5.3.0")
    assert done.returncode == 0
    assert json.loads(done.stdout)["changes"] == json.loads(done.stdout)["losses"] == []
    assumed = json.loads(verdict("there").stdout)
    assert "1.11.0 is assumed" in assumed["assumption"]
    assert len(assumed["losses"]) == 2
    other = verdict("other", "--release", "5.3.0")
    assert other.returncode == 3
    assert "different ports" in json.loads(other.stdout)["reasons"][0]


TABLE = {
    "headings": ["_uuid", "external_ids", "hostname", "other_config", "nb_cfg"],
    "data": [
        [
            ["uuid", "6d0a3a7e-0000-4000-8000-000000000001"],
            ["map", [["ovn-cms-options", "os-vif-release=5.3.0"], ["datapath-type", ""]]],
            "host-c",
            ["map", []],
            0,
        ]
    ],
}
AGENT = {"host": "host-c", "agent_type": "Open vSwitch agent"}


@pytest.mark.parametrize(
    ("data", "release"),
    [
        (TABLE, "5.3.0"),
        (
            {"hostname": "host-c", "external_ids": {"ovn-cms-options": "os-vif-release=5.3.0"}},
            "5.3.0",
        ),
        ({"hostname": "host-c"}, "1.11.0"),
        ({"agents": [AGENT]}, "1.11.0"),
        ({"agent": AGENT}, "1.11.0"),
        (AGENT, "1.11.0"),
    ],
)
def test_each_form_of_published_data_is_an_offer(os_vif, data, release):
    """Answers of neutron, rows of OVN before 20.06, and the JSON of ``ovn-sbctl``."""
    done = os_vif("negotiate", "offer", "-", "-f", "json", text=json.dumps(data))
    assert (done.returncode, done.stderr) == (0, "")
    offer = json.loads(done.stdout)
    assert (offer["host"], offer["release"]) == ("host-c", release)
    assert offer.get("datapath_types") == (["system"] if data is TABLE else None)


def test_a_stated_release_goes_before_the_release_of_this_host(os_vif):
    """And before the plugins: 5.3.0 has no plugin sriov."""
    done = os_vif("negotiate", "offer", "--release", "5.3.0", "-f", "json")
    offer = json.loads(done.stdout)
    assert offer["release"] == "5.3.0"
    assert "sriov" not in {plugin["name"] for plugin in offer["plugins"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("offer", "missing.json"), "missing.json"),
        (("offer", "{text}"), "text.json: found invalid JSON at line 1, column 2"),
        (("offer", "{number}"), "number.json: found JSON without an object"),
        (("offer", "{subnet}"), "HostOffer or HostInfo"),
        (("offer", "{ours}", "--release", "new"), "expected a release of os-vif"),
        (("bind", "{ours}", "--offer={ours}"), "the member port is missing"),
        (("bind", "{port}", "--offer={number}"), "number.json"),
        (("bind", "{unbound}", "--offer={ours}"), "port.binding:vif_type"),
        (("verdict", "{vif}", "{subnet}", "--offer={ours}"), "found Subnet; expected a VIF"),
        (("verdict", "{vif}", "{text}", "--offer={ours}"), "cannot read the VIF"),
        (("verdict", "{vif}", "{vif}", "--offer={ours}", "--offer={ours}"), "one offer"),
        (("verdict", "{vif}", "{vif}"), "--offer"),
        (("verdict", "-", "-", "--offer={ours}"), "'-' is given several times"),
        (("bind", "-", "--offer=-"), "'-' is given several times"),
        (("bind", "{null}", "--offer={ours}"), "port: found null; expected an object"),
        (("offer", "--release", "nonsense"), "release is 'nonsense'"),
        (("offer", "{types}"), "types.json: agent.agent_type is an array"),
        (("offer", "{agents}"), "found 2 agents; expected the file of one host"),
        (("offer", "{no_agents}"), "found 0 agents"),
        (("offer", "{table}"), "found 2 rows; expected the file of one host"),
        (("offer", "{uneven}"), "found a row with other columns than the headings"),
    ],
)
def test_bad_input_is_named(os_vif, files, arguments, message):
    """Exit code 2, with the file and the reason."""
    unbound = port(**TAP)
    unbound["port"]["binding:vif_type"] = "unbound"
    folder = files(
        text="{",
        number="5",
        subnet=json.dumps({"apiVersion": "os-vif/2.0", "kind": "Subnet"}),
        ours=our_offer().canonical().decode(),
        port=port(**TAP),
        unbound=unbound,
        null=port() | {"port": None},
        types={"agent": {"host": "a", "agent_type": ["x"]}},
        agents={"agents": [{"agent_type": "Open vSwitch agent"}] * 2},
        no_agents={"agents": None},
        table={"headings": ["hostname"], "data": [["a"], ["b"]]},
        uneven={"headings": ["hostname"], "data": [["a", "b"]]},
        vif=vif_text(**TAP),
    )
    names = {path.stem: path for path in folder.iterdir()}
    done = os_vif("negotiate", *(argument.format(**names) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
