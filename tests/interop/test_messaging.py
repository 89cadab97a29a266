# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects in messages over RabbitMQ, between this library and public releases."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import threading
import time
import warnings
from pathlib import Path

import pytest

from os_vif import exception, objects
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import downgrade, dumps, messaging
from os_vif.testing import private_namespaces
from testbed import environments
from testbed.environments import Unavailable
from tests.support import messaging as messaging_support
from tests.support.data.mutations import mutated
from tests.support.interop import rabbitmq_server
from tests.support.messaging.in_process import oslo_messaging, running_server
from tests.support.messaging.peers import Installed
from tests.support.strategies import ALL, PROFILES, VIFS, make

pytestmark = pytest.mark.interop

RELEASES = ("5.3.0", "4.3.1", "1.17.0")
#: An object of every class, and every VIF class with every port profile; with all fields, and with
#: few fields.
SAMPLES = {
    f"{name} {profile or ''} {'full' if full else 'few'}": make(
        name, full=full, **({"port_profile": make(profile, full=full)} if profile else {})
    )
    for full in (True, False)
    for name in ALL
    for profile in (None, *((*PROFILES, "VIFPortProfileSRIOV") if name in VIFS else ()))
}
CHAIN = Path(messaging_support.__file__).with_name("nova_chain.py")
OURS, BACKPORTS = "ours", "backports"


@pytest.fixture(scope="module")
def installed(subject, tmp_path_factory):
    """The public releases and this checkout, installed while the package index is in reach."""
    scratch = tmp_path_factory.mktemp("releases")
    try:
        return {OURS: Installed.of_checkout(subject)} | {
            release: Installed.of_release(release, scratch / release) for release in RELEASES
        }
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def url(installed, tmp_path_factory):
    """Run RabbitMQ in a private network namespace, and move this thread into the namespace."""
    if missing := private_namespaces.missing_right():
        pytest.skip(missing)
    if missing := rabbitmq_server.missing_requirement():
        pytest.skip(missing)
    with (
        private_namespaces.private_namespace(),
        rabbitmq_server.running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as address,
    ):
        yield address


@pytest.fixture(scope="module")
def ours(url):
    """A server of this library in this process, and clients of all servers."""
    with running_server(messaging.Serializer(), url=url, topic=OURS) as running:
        yield running


@pytest.fixture(scope="module")
def backports(url):
    endpoint = messaging.BackportEndpoint(losses="tell")
    with running_server(messaging.Serializer(), endpoint, url=url, topic=BACKPORTS):
        yield


@pytest.mark.parametrize("release", RELEASES)
def test_every_class_and_profile_in_both_directions(url, ours, installed, tmp_path, release):
    """Equal at the receiver, or DataLoss at the sender with the paths of downgrade.

    The peer sends each received object to a server of this library, and compares the answer with
    the object.
    """
    with installed[release].serving(url, f"peer-{release}", "peer", tmp_path / "log"):
        client = ours.client(messaging.Serializer(release), f"peer-{release}")
        peer = client.call({}, "describe")
        assert peer["os_vif"].startswith(str(installed[release].subject.path))
        manifest = history.manifest(release)
        assert {n: v for n, v in peer["manifest"].items() if n in manifest} == manifest
        sent, lost, unknown = {}, [], []
        for name, obj in SAMPLES.items():
            try:
                losses = downgrade(obj, release)[1]
            except exception.UnknownKind:
                with pytest.raises(exception.UnknownKind, match=obj.obj_name()):
                    client.call({}, "echo", entity=obj)
                unknown.append(name)
                continue
            if losses:
                with pytest.raises(exception.DataLoss) as caught:
                    client.call({}, "echo", entity=obj)
                assert caught.value.losses == tuple(losses), name
                lost.append(name)
                continue
            assert dumps(client.call({}, "echo", entity=[obj])["entity"][0]) == dumps(obj), name
            sent[name] = obj
        ours.endpoint.received.clear()
        # A single message: a call takes half a second in oslo.messaging 17.
        forwarded = client.call({}, "forward", topic=OURS, entities=sent)
    (received,) = ours.endpoint.received
    assert forwarded["differing"] == []
    assert [name for name, obj in sent.items() if dumps(received[name]) != dumps(obj)] == []
    answers = forwarded["answer"]
    assert [name for name, obj in sent.items() if dumps(answers[name]) != dumps(obj)] == []
    assert len(sent) > 60, sent
    assert len(unknown) > 10, unknown
    assert len(lost) > 8, lost


def test_an_old_receiver_asks_for_a_back_port(url, ours, backports, installed, tmp_path):
    """The receiver has an indirection API, and the sender has no pin."""
    peer = installed["1.17.0"]
    with peer.serving(url, "asking", "peer", tmp_path / "log", BACKPORTS):
        client = ours.client(messaging.Serializer(), "asking")
        vif = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileOpenVSwitch"))
        assert downgrade(vif, "1.17.0")[1]
        answer = client.call({}, "echo", entity=vif)["entity"]
        assert client.call({}, "describe")["backports"] == 1
    assert answer.id == vif.id
    assert type(answer.port_profile) is type(vif.port_profile)
    assert answer.port_profile.interface_id == vif.port_profile.interface_id
    assert not answer.port_profile.obj_attr_is_set("create_port")


def test_an_old_receiver_without_a_pin_and_without_back_ports_fails(
    url, ours, installed, tmp_path
):
    """The pin prevents the error of the receiver."""
    with installed["1.17.0"].serving(url, "failing", "peer", tmp_path / "log"):
        vif = make("VIFOpenVSwitch", port_profile=make("VIFPortProfileOpenVSwitch"))
        client = ours.client(messaging.Serializer(), "failing")
        with pytest.raises(oslo_messaging.RemoteError, match="IncompatibleObjectVersion"):
            client.call({}, "echo", entity=vif)


CALLS = 200


class Caller:
    """A thread that calls the servers until the last upgrade, and some calls more."""

    def __init__(self, client, vif):
        self.answers, self.errors = [], []
        #: Held during a call.
        self.calling = threading.Lock()
        self.upgraded = threading.Event()
        self.thread = threading.Thread(target=self._call, args=(client, vif))

    def _call(self, client, vif):
        after = 0
        while len(self.answers) < CALLS or after < CALLS // 4:
            after += self.upgraded.is_set()
            try:
                with self.calling:
                    self.answers.append(client.call({}, "echo", entity=vif))
            except Exception as error:
                self.errors.append(error)
                raise
            time.sleep(0.01)

    def wait_for_calls(self, number):
        """Wait for further calls."""
        wanted = len(self.answers) + number
        deadline = time.monotonic() + 120
        while len(self.answers) < wanted:
            assert self.thread.is_alive(), self.errors
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_three_servers_are_upgraded_one_by_one(url, ours, installed, tmp_path):
    """No call fails, and no field is lost after the last upgrade."""
    vif = objects.VIFHostDevice(
        dev_address="0000:03:10.1", port_profile=objects.VIFPortProfileSRIOV(vlan=5)
    )
    running: dict[str, str] = {}
    serializer = messaging.Serializer(
        lambda: messaging.common_release([*running.values()]), losses="tell"
    )
    caller = Caller(ours.client(serializer, "rolling"), vif)
    with contextlib.ExitStack() as servers:

        def start(release, name):
            stack = servers.enter_context(contextlib.ExitStack())
            peer = installed[OURS if release == CURRENT_RELEASE else release]
            stack.enter_context(peer.serving(url, "rolling", name, tmp_path / name))
            running[name] = release
            return stack

        olds = [start("5.3.0", f"old-{n}") for n in range(3)]
        caller.thread.start()
        for n, old in enumerate(olds):
            caller.wait_for_calls(20)
            start(CURRENT_RELEASE, f"new-{n}")
            # A server of oslo.messaging 18.3.1 acknowledges a request while it closes the
            # connection, and never processes the request: no call may be under way.
            with caller.calling:
                old.close()
                del running[f"old-{n}"]
        caller.upgraded.set()
        caller.thread.join(300)
        assert not caller.thread.is_alive()
    assert caller.errors == []
    assert len(caller.answers) >= CALLS
    names = [answer["name"] for answer in caller.answers]
    assert {*names} == {f"{age}-{n}" for age in ("old", "new") for n in range(3)}
    entities = [answer["entity"] for answer in caller.answers]
    assert all(entity.dev_address == vif.dev_address for entity in entities)
    complete = [dumps(entity) == dumps(vif) for entity in entities]
    # The release changes after the end of the last old server: then every field arrives.
    first = complete.index(True)
    assert not [name for name in names[first:] if name.startswith("old")]
    assert all(complete[first:])
    assert len(complete) - first >= CALLS // 4


def _send_mutations(ours, rounds, seed):
    """Send mutated messages, and return the number of each outcome."""
    order = random.Random(seed)  # noqa: S311
    serializers = [messaging.Serializer(form=form) for form in ("ovo", "json", "protobuf")]
    originals = [s.serialize_entity({}, make(name)) for s in serializers for name in ALL]
    client = ours.client()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(rounds):
        entity = mutated([order.choice(originals)], order)
        with warnings.catch_warnings(action="ignore"):
            try:
                client.call({}, "echo", entity=entity)
            except exception.SerializationError:
                outcomes["refused"] += 1
            else:
                outcomes["read"] += 1
    assert ours.echo("alive") == "alive"
    return outcomes


def test_mutated_messages_raise_one_family(ours):
    assert min(_send_mutations(ours, 500, seed=3).values()) > 50


@pytest.mark.soak
def test_ten_thousand_mutated_messages_raise_one_family(ours):
    assert min(_send_mutations(ours, 10_000, seed=4).values()) > 1000


def test_the_paths_of_a_loss_in_a_reply_reach_the_client(url, ours):
    """The client gets the class and the paths of a DataLoss of the server."""
    with running_server(messaging.Serializer("5.3.0"), url=url, topic="pinned") as pinned:
        vif = make("VIFHostDevice", port_profile=make("VIFPortProfileSRIOV"))
        pinned.endpoint.received.append(vif)
        with pytest.raises(exception.DataLoss) as caught:
            pinned.call("give")
    assert caught.value.losses == tuple(downgrade(vif, "5.3.0")[1])


def test_the_serializer_of_nova_and_ours_in_one_list(subject, tmp_path):
    """Nova's serializer alone returns a dict; with ours around it, the VIF is a VIF."""
    try:
        python = environments.environment(
            "nova", environments.pins("nova"), subject.requirements, "3.11"
        )
    except Unavailable as reason:
        pytest.skip(str(reason))
    environ = environments.without_python_settings(os.environ)
    done = subprocess.run(
        [python, "-W", "ignore", CHAIN],
        env=environ | {"PYTHONPATH": str(subject.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["nova"]["types"] == ["Instance", "dict"]
    for name in ("chain", "pinned"):
        assert found[name] == {
            "types": ["Instance", "VIFBridge"],
            "values": ["compute-1", "br-1"],
            "context": "RequestContext",
        }
