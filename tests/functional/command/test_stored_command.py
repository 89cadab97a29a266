# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif validate``, ``convert``, ``show`` and ``schema``, as an operator types them."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import signal
import stat
import subprocess
import sys
import time

import pytest

from os_vif import serialization
from os_vif.cmd import exit_codes, main
from os_vif.serialization import storage
from os_vif.serialization.schema import json_schema
from tests.support.data import document_samples
from tests.support.data.stored_samples import envelopes, kuryr_vif
from tests.support.forks import forked

VLAN, MACVLAN = kuryr_vif("VIFVlanNested", vlan_id=7), kuryr_vif("VIFMacvlanNested")
DOCUMENT = serialization.dumps(VLAN)
BAD = '{"apiVersion":"os-vif/2.0","kind":"VIFBridge",\n "address": "no MAC"}'

NEWLINE = "\n"
FAULT = "VIFBridge: address: found 'no MAC'; expected a MAC address, such as fa:16:3e:00:00:01"


def pods(number: int) -> str:
    """What ``kubectl get pods -A -o json`` prints; every third has no VIF."""
    with_vifs = envelopes(VLAN, MACVLAN)["pod with state of two"]
    items = []
    for n in range(number):
        annotations = with_vifs["metadata"]["annotations"] if n % 3 else {"other": "x"}
        metadata = {"annotations": annotations, "name": f"web-{n}", "namespace": "a", "uid": "u"}
        spec = {"containers": [], "nodeName": "node-1", "priority": 0, "weight": 1.50}
        items.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"version": ""}}
    return json.dumps(whole, indent=4) + "\n"


@pytest.fixture
def os_vif(os_vif_command, tmp_path):
    """Run os-vif in the directory of the test; the exit code is the caller's to look at."""

    def call(*arguments, data="", **more):
        data = data if isinstance(data, bytes) else data.encode()
        if not more:
            return forked(lambda: main.main([*arguments]), data, tmp_path)
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.run(
            [os_vif_command, *arguments], input=data, check=False, cwd=tmp_path, **more
        )

    return call


def written(path: pathlib.Path) -> tuple[int, int, int, bytes]:
    """What a writer would change of a file. When it was read is another matter."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_mtime_ns, path.read_bytes()


def left(path: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_validate_prints_as_many_errors_as_the_option_says(os_vif):
    """An object with more errors has a last line with the number of the others."""
    head = {"apiVersion": "os-vif/2.0", "kind": "Subnet"}
    data = json.dumps({**head, "dns": ["x"] * 150})
    for options, count in ((), 101), (("--max-errors", "0"), 150), (("--max-errors", "2"), 3):
        done = os_vif("validate", *options, data=data)
        assert done.returncode == exit_codes.EXIT_PARTIAL
        assert len(done.stdout.splitlines()) == count
    assert done.stdout.splitlines()[-1].endswith(b"148 more errors in this object")
    assert b"--max-errors N" in os_vif("validate", "--help").stdout
    for wrong in "-1", "x", "9" * 5000:
        assert os_vif("validate", f"--max-errors={wrong}", data=data).returncode == 2


def test_validate_prints_every_name_that_occurs_twice(os_vif):
    """At the line of the second."""
    done = os_vif("validate", data='{"a": 1,\n"b": {"c": 1,\n"c": 2},\n"a": 2}')
    wrong = "found the name {!r} occurs twice in an object; expected each name once\n"
    assert done.stdout.decode() == (
        f"<stdin>:3: an object: b.c: {wrong.format('c')}"
        f"<stdin>:4: an object: a: {wrong.format('a')}"
    )


def test_validate_tells_all_that_is_wrong(os_vif, tmp_path):
    """A line for each fault, as compilers print them; the counts apart from that."""
    (tmp_path / "vifs").write_text(f"{DOCUMENT}\n{BAD}\n{{oops\n{DOCUMENT}\n")
    (tmp_path / "pods").write_text(pods(3))
    done = os_vif("validate", "vifs", "pods")
    assert done.returncode == exit_codes.EXIT_PARTIAL
    assert done.stdout.decode().splitlines() == [
        f"vifs:3: {FAULT}",
        "vifs:4: an object: invalid JSON: Expecting property name enclosed in double quotes (column 2)",
    ]
    assert done.stderr.decode().splitlines() == [
        "vifs: 4 objects: 2 valid, 2 not valid",
        "pods: 3 objects: 2 valid, 1 without VIFs",
    ]
    assert os_vif("validate", data=DOCUMENT).returncode == 0
    assert os_vif("-q", "validate", data=DOCUMENT).stderr == b""


def test_a_bad_object_in_the_middle_stays_and_the_rest_is_converted(os_vif, tmp_path):
    """It is told with its line, and the exit code says so."""
    (tmp_path / "in").write_text(f"{DOCUMENT}\n{BAD}\n{DOCUMENT}\n")
    done = os_vif("convert", "--release", "kuryr-10.0.0", "in", "-o", "out")
    assert (done.returncode, done.stdout) == (exit_codes.EXIT_PARTIAL, b"")
    assert done.stderr.decode().splitlines() == [
        f"in:3: {FAULT}",
        "in: 3 objects: 2 converted, 1 not converted",
    ]
    old = serialization.dumps(serialization.loads(DOCUMENT), release="kuryr-10.0.0")
    assert (tmp_path / "out").read_text() == f"{old}\n{BAD}\n{old}\n"


def test_pods_there_and_back_as_kubectl_prints_them(os_vif, tmp_path):
    """In place; all that differs is the annotation."""
    old = json.loads(pods(4))
    for item in old["items"][1:3]:
        status = storage.write(storage.read(item), "pod-state", release="6.0.0")
        item["metadata"]["annotations"][storage.ANNOTATION] = status
    text = json.dumps(old, indent=4) + "\n"
    (tmp_path / "pods").write_text(text)
    (tmp_path / "pods").chmod(0o640)
    assert os_vif("convert", "--form", "json", "--in-place", "pods").returncode == 0
    new = (tmp_path / "pods").read_text()
    differ = [(a, b) for a, b in zip(text.split("\n"), new.split("\n"), strict=True) if a != b]
    assert len(differ) == 2
    assert all('"openstack.org/kuryr-vif": "{\\"apiVersion' in after for _, after in differ)
    done = os_vif("convert", "--release", "6.0.0", "--form", "ovo", "pods", "-o", "pods")
    assert (done.returncode, (tmp_path / "pods").read_text() == text) == (0, True)
    assert stat.S_IMODE((tmp_path / "pods").stat().st_mode) == 0o640
    assert left(tmp_path) == ["pods"]


def test_check_writes_nothing_and_tells_of_each_object(os_vif, tmp_path):
    """What would be lost, too; without leave that is not done."""
    (tmp_path / "pods").write_text(pods(2) + DOCUMENT)
    before = written(tmp_path / "pods")
    done = os_vif("convert", "--release", "kuryr-0.4.7", "--check", "pods")
    assert done.returncode == exit_codes.EXIT_PARTIAL
    assert done.stdout.decode().splitlines() == [
        "pods:4: Pod a/web-0: without VIFs",
        "pods:22: Pod a/web-1: Writing for kuryr-0.4.7 would lose: eth1 (left out).",
        f"pods:{1 + pods(2).count(NEWLINE)}: VIFVlanNested {VLAN.id}: converted",
    ]
    assert "pods: would be lost: eth1 of 1 object\n" in done.stderr.decode()
    done = os_vif("convert", "--release", "kuryr-0.4.7", "--check", "--allow-loss", "pods")
    assert (done.returncode, b"web-1: converted, without eth1" in done.stdout) == (0, True)
    assert b"pods: lost: eth1 of 1 object\n" in done.stderr
    assert written(tmp_path / "pods") == before
    assert left(tmp_path) == ["pods"]


def test_pods_become_kuryrports(os_vif):
    """As kuryr 3.0 and later wants them, from one command to the next."""
    done = os_vif("convert", "--release", "kuryr-10.0.0", "--kuryrports", data=pods(5))
    assert done.returncode == 0
    names = [item["metadata"]["name"] for item in json.loads(done.stdout)["items"]]
    assert names == ["web-1", "web-2", "web-4"]
    assert os_vif("validate", data=done.stdout).stderr == b"<stdin>: 3 objects: 3 valid\n"


@pytest.mark.parametrize(
    ("arguments", "data", "words"),
    [
        (["missing"], "", "missing: No such file or directory"),
        (["."], "", ".: Is a directory"),
        (["in", "-o", "."], "", ".: Is a directory"),
        (["in", "-o", "missing/out"], "", "out: No such file or directory"),
        ([], "", "<stdin>:1: the input is empty"),
        ([], " \r\n\n", "<stdin>:1: the input is empty"),
        ([], DOCUMENT.encode("utf-16"), "<stdin>:1: found UTF-16 or UTF-32; expected UTF-8"),
        ([], "hello world\n", "begins with 'hello world'; expected JSON or YAML"),
        ([], "kind: [\n", "<stdin>:2:1: kind[0]: found invalid YAML ("),
        (
            [],
            pods(3)[:-3],
            "the list is not valid JSON: the input ends before the closing bracket",
        ),
        (["--in-place"], DOCUMENT, "--in-place needs FILE arguments"),
        (["--in-place", "--kuryrports", "in"], "", "a KuryrPort does not replace the pod"),
        (["in", "--release", "9.9"], "", "'9.9' is not a release of os-vif; expected 1.0.0, "),
        (["in", "--release", "5.3.0"], "", "5.3.0 does not read the form 'json'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_touches_nothing(
    os_vif, tmp_path, arguments, data, words
):
    """And exits with 2."""
    (tmp_path / "in").write_text(DOCUMENT)
    (tmp_path / "out").write_text("as it was")
    output = [] if {"-o", "--in-place"} & {*arguments} else ["-o", "out"]
    done = os_vif("convert", "--form", "json", *arguments, *output, data=data)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, words in line, done.stdout) == (
        exit_codes.EXIT_BAD_INPUT,
        True,
        b"",
    ), line
    assert (tmp_path / "in").read_text() == DOCUMENT
    assert (tmp_path / "out").read_text() == "as it was"
    assert left(tmp_path) == ["in", "out"]


def test_a_target_has_to_be_named(os_vif):
    done = os_vif("convert", data=DOCUMENT)
    assert (done.returncode, b"one of --release, --form is required" in done.stderr) == (
        exit_codes.EXIT_BAD_INPUT,
        True,
    )
    assert (
        os_vif("convert", "--form", "xml", data=DOCUMENT).returncode == exit_codes.EXIT_BAD_INPUT
    )


def test_a_file_that_may_not_be_read_or_written(os_vif_command, tmp_path):
    """Even root may not, where it has not the right to ignore the mode."""
    rights = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={rights}"] if os.geteuid() == 0 else []

    def convert(*arguments):
        command = [*prefix, os_vif_command, "convert", "--form", "ovo", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    (tmp_path / "in").write_text(DOCUMENT)
    (tmp_path / "in").chmod(0)
    done = convert("in")
    assert (done.returncode, done.stderr) == (exit_codes.EXIT_BAD_INPUT, "in: Permission denied\n")
    (tmp_path / "in").chmod(0o400)
    tmp_path.chmod(0o500)
    done = convert("--in-place", "in")
    assert done.returncode == exit_codes.EXIT_BAD_INPUT
    assert done.stderr.endswith("in: Permission denied\n")
    tmp_path.chmod(0o700)
    assert (tmp_path / "in").read_text() == DOCUMENT
    assert left(tmp_path) == ["in"]


def test_byte_order_mark_and_carriage_returns(os_vif):
    """The mark is left out, as JSON wants; line ends stay."""
    text = serialization.dumps(VLAN, form="ovo")
    data = f"\ufeff{text}\r\n{text}\r\n".encode()
    done = os_vif("convert", "--form", "json", data=data)
    assert (done.returncode, done.stdout) == (0, f"{DOCUMENT}\r\n{DOCUMENT}\r\n".encode())


def test_a_full_disk_leaves_the_old_file(os_vif, tmp_path, rights):
    """On a file system of 64 KiB; and on a device that is always full."""
    with pathlib.Path("/dev/full").open("wb") as full:
        done = os_vif("convert", "--form", "json", data=DOCUMENT, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"standard output: No space left on device\n")
    done = os_vif("convert", "--form", "json", "-o", "/dev/full", data=DOCUMENT)
    assert (done.returncode, done.stderr) == (1, b"/dev/full: No space left on device\n")
    (tmp_path / "in").write_text(f"{DOCUMENT}\n" * 1000)
    script = (
        "mount -t tmpfs -o size=64k none /mnt && echo as it was >/mnt/out && "
        f"{sys.executable} -W ignore -m os_vif.cmd.main convert --form ovo in -o /mnt/out; "
        "echo $?; ls -A /mnt; cat /mnt/out"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.stderr == "/mnt/out: No space left on device\n"
    assert done.stdout == "1\nout\nas it was\n"


def test_a_reader_that_goes_away_is_no_error(os_vif_command, tmp_path):
    """``os-vif convert ... | head -1`` prints a line, and nothing else."""
    (tmp_path / "in").write_text(f"{DOCUMENT}\n" * 3000)
    line = f"{os_vif_command} convert --form ovo in | head -1 | wc -l; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("1\n141\n", "")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_who_interrupts_finds_all_as_it_was(os_vif_command, tmp_path, number, code):
    """While it waits for more input, with half of the output written beside the old file."""
    (tmp_path / "out").write_text("as it was")
    command = [os_vif_command, "convert", "--form", "ovo", "-o", "out"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as running:
        running.stdin.write(f"{DOCUMENT}\n".encode() * 1000)
        running.stdin.flush()
        while len(left(tmp_path)) == 1:
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(number)
        error = running.stderr.read().decode()
        assert running.wait(timeout=60) == code
    assert error in {"interrupted\n", ""}
    assert left(tmp_path) == ["out"]
    assert (tmp_path / "out").read_text() == "as it was"


def test_the_file_that_is_read_is_not_appended_to(os_vif, tmp_path):
    """It would have no end."""
    (tmp_path / "in").write_text(DOCUMENT)
    with (tmp_path / "in").open("ab") as same:
        done = os_vif("convert", "--form", "ovo", "in", stdout=same)
    assert (done.returncode, b"is the output, too" in done.stderr) == (2, True)
    assert (tmp_path / "in").read_text() == DOCUMENT


@pytest.mark.parametrize(("closed", "which"), [("<&-", "input"), (">&-", "output")])
def test_a_stream_that_is_closed_is_named(os_vif_command, closed, which):
    line = f"{os_vif_command} convert --form ovo {closed}"
    done = subprocess.run(
        ["sh", "-c", line], input=DOCUMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        exit_codes.EXIT_BAD_INPUT,
        f"standard {which} is closed\n",
    )


def test_a_symbolic_link_stays_one(os_vif, tmp_path):
    """What it leads to is replaced."""
    (tmp_path / "real").write_text(DOCUMENT)
    (tmp_path / "link").symlink_to("real")
    assert os_vif("convert", "--form", "ovo", "--in-place", "link").returncode == 0
    assert (tmp_path / "link").is_symlink()
    text = (tmp_path / "real").read_text()
    assert ("versioned_object" in text, serialization.dumps(serialization.loads(text))) == (
        True,
        DOCUMENT,
    )


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(os_vif_command, tmp_path):
    """It is on standard error, and gone at the end."""
    command = [os_vif_command, "convert", "--form", "ovo", "-o", "out"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=theirs, cwd=tmp_path) as running:
        os.close(theirs)
        running.stdin.write(f"{DOCUMENT}\n".encode())
        running.stdin.flush()
        while len(left(tmp_path)) == 0:
            assert running.poll() is None
            time.sleep(0.05)
        # There is none for what is short.
        time.sleep(1.5)
        running.stdin.write(f"{DOCUMENT}\n".encode())
        running.stdin.close()
        seen = b""
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
        assert running.wait() == 0
    os.close(ours)
    assert seen.startswith(b"\r\x1b[K1 object\r\x1b[K")
    assert seen.endswith(b"\r\x1b[K<stdin>: 2 objects: 2 converted\r\n")


def peak(command: list[str], text: str, times: int, tmp_path) -> int:
    """The most memory that a command takes for an input, in KiB."""
    head, _, rest = text.partition('"items": [')
    item, _, tail = rest.rpartition("]")
    with (tmp_path / "in").open("w") as file:
        file.write(f'{head}"items": [')
        file.writelines(f"{',' if n else ''}{item}" for n in range(times))
        file.write(f"]{tail}")
    # Linux counts the memory of the parent, before execve(2), as memory of the child: a small
    # process has to be the parent.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "in", "-o", "out"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert (tmp_path / "out").stat().st_size > (tmp_path / "in").stat().st_size / 2
    return int(done.stdout)


def _memory(os_vif_command, tmp_path, few, many):
    """It is the same for few and for many, but for what an allocator may take."""
    command = [os_vif_command, "-q", "convert", "--release", "kuryr-2.1.0"]
    small, large = (peak(command, pods(3), number, tmp_path) for number in (few, many))
    assert large < small + 4096, (small, large)


def test_ten_times_as_many_pods_take_no_more_memory(os_vif_command, tmp_path):
    """From 450 to 4,500 of them, in one document."""
    _memory(os_vif_command, tmp_path, 150, 1500)


@pytest.mark.soak
def test_a_hundred_thousand_pods_take_no_more_memory(os_vif_command, tmp_path):
    """Than 1,000 of them."""
    _memory(os_vif_command, tmp_path, 334, 33_334)


def test_show_draws_trees_and_pictures(os_vif, tmp_path):
    """Of what can be read; the rest is told."""
    vif = serialization.dumps(document_samples.vif())
    done = os_vif("show", data=vif, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert "├── network: Network" in done.stdout.decode()
    assert "└── port_profile: VIFPortProfileOpenVSwitch" in done.stdout.decode()
    for arguments, locale in ((["--ascii"], "C.UTF-8"), ([], "C")):
        done = os_vif("show", *arguments, data=vif, env=os.environ | {"LC_ALL": locale})
        assert b"`-- port_profile" in done.stdout
        assert done.stdout.isascii()
    done = os_vif("show", data=f"{vif}\n{BAD}\n{vif}\n")
    assert (done.returncode, done.stdout.count(b"port_profile")) == (exit_codes.EXIT_PARTIAL, 2)
    assert b"<stdin>:3: VIFBridge: address: found 'no MAC'" in done.stderr
    assert os_vif("show", "--svg", "vif.svg", data=pods(3)).returncode == 0
    picture = (tmp_path / "vif.svg").read_text()
    assert picture.startswith("<svg ")
    assert "Pod a/web-2" in picture
    assert os_vif("show", "--svg", "no.svg", data=pods(1)).returncode == exit_codes.EXIT_BAD_INPUT
    assert (
        os_vif("show", "--svg", "no.svg", data=pods(160)).returncode == exit_codes.EXIT_BAD_INPUT
    )
    assert left(tmp_path) == ["vif.svg"]


def test_schema_prints_what_is_published(os_vif):
    """Of documents, of what a release writes, and for Kubernetes."""
    assert json.loads(os_vif("schema").stdout) == json_schema.load("VIF")
    assert json.loads(os_vif("schema", "Network").stdout) == json_schema.load("Network")
    old = json.loads(os_vif("schema", "VIFBridge", "--release", "1.14.0").stdout)
    assert old["$id"] == "urn:os-vif:ovo:1.14.0:VIFBridge"
    crd = os_vif("schema", "KuryrPort", "--kubernetes").stdout.decode()
    assert crd == json_schema.read("kuryrport-crd.yaml")
    for wrong in (["Nonesuch"], ["VIFSriov", "--release", "5.3.0"], ["--release", "9.9"]):
        done = os_vif("schema", *wrong)
        assert (done.returncode, len(done.stderr.splitlines())) == (exit_codes.EXIT_BAD_INPUT, 1)


def test_the_address_of_a_schema_may_stand_in_a_document(os_vif):
    """Validation and display accept the name ``$schema``; conversion omits it."""
    data = json.dumps({"$schema": "./vif.schema.json", **json.loads(DOCUMENT)})
    assert os_vif("validate", data=data).returncode == 0
    assert b"VIFVlanNested" in os_vif("show", data=data).stdout
    assert os_vif("convert", "--form", "json", data=data).stdout.decode() == DOCUMENT
    wrong = data.replace('"./vif.schema.json"', "5")
    assert os_vif("validate", data=wrong).returncode == exit_codes.EXIT_PARTIAL


def test_the_commands_load_no_plugin(os_vif_command):
    """The commands load no library for a host either, nor dnspython, which eventlet would load.

    The command puts the package pyroute2 into ``sys.modules`` without its modules.
    """
    program = (
        "import sys; from os_vif.cmd import main; main.main(['convert', '--form', 'ovo']); "
        "print([n for n in sys.modules if n in ('pyroute2.netlink', 'ovs', 'dns') or n.startswith('os_vif.plugins')], "
        "file=sys.stderr)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, input=DOCUMENT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_loads_no_codec():
    """The list of commands starts without oslo.versionedobjects, which takes most of the time."""
    program = (
        "import atexit, sys; from os_vif.cmd import main; "
        "atexit.register(lambda: print('oslo_versionedobjects' in sys.modules, file=sys.stderr)); "
        "main.main(['--help'])"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "validate" in done.stdout
    assert done.stderr.splitlines()[-1] == "False"
