# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Input and output of every command: JSON and YAML, several files, lines, lists and documents."""

from __future__ import annotations

import io
import json
import subprocess
import textwrap

import pytest

from os_vif import objects, serialization
from os_vif.cmd import exit_codes, main
from os_vif.cmd.store import object_output
from os_vif.operations import keep_lists
from os_vif.serialization import yaml_text
from tests.support.data.stored_pods import stored
from tests.support.forks import forked
from tools.command_parsers import command_parsers

#: Commands without data as output, and their output.
NO_DATA = {
    "class-types": "Python code in files",
    "cni-daemon": "a daemon, whose protocol is CNI",
    "complete": "a script for a shell",
    "demo": "a text for a person",
    "help": "a text for a person",
    "new-plugin": "files, and a text for a person",
    "privileged": "a daemon with a protocol of its own",
}
#: The arguments of commands that read objects, and whose output is about the objects.
READERS = {
    "check": "check -f {format}",
    "convert": "convert --release 5.3.0 -f {format}",
    "import": "import kuryr -f {format}",
    "plan": "plan -f {format}",
    "show": "show -f {format}",
    "survey": "survey -f {format}",
    "validate": "validate -f {format}",
}
#: Commands with a fixed number of inputs: each input is an argument of its own.
FIXED = {"compare", "negotiate bind", "negotiate offer", "negotiate verdict"}
#: Commands that read objects and act on the host; tests/functional/batch plugs several VIFs.
ACTING = {"plug", "unplug"}
#: Commands that read no objects: their arguments are names.
NAMES = {
    "describe", "doctor", "host-info", "list", "plugins", "repair", "schema", "watch",
}  # fmt: skip
#: gc reads keep lists: tests/functional/gc.
KEEP_LISTS = {"gc"}


def vif(number: int) -> objects.VIFBase:
    path = f"/run/vhu{number}"
    return objects.VIFVHostUser(
        id=f"5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a9{number}",
        address=f"52:54:00:12:34:5{number}",
        plugin="noop",
        vif_name="no",
        path=path,
    )


DOCUMENTS = [serialization.to_document(vif(number)) for number in range(3)]


@pytest.fixture
def run(tmp_path):
    """Run os-vif in the directory of the test; the result has exit code and streams."""

    def call(*arguments, data=""):
        done = forked(lambda: main.main([*map(str, arguments)]), data.encode(), tmp_path)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return call


def parsed(text: str, output_format: str) -> list:
    """Return the objects of an output: JSON texts one after another, or documents of YAML."""
    if output_format == "json":
        found, rest = [], text.strip()
        while rest:
            value, end = json.JSONDecoder().raw_decode(rest)
            found.append(value)
            rest = rest[end:].lstrip()
        return found
    documents = [""]
    for piece in yaml_text.json_pieces(io.BytesIO(text.encode()).read1):
        documents[-1] += piece
        documents += [] if piece else [""]
    return [json.loads(document) for document in documents if document.strip()]


def inputs(tmp_path) -> dict[str, tuple[list[str], str]]:
    """Return file arguments and standard input with the same three VIFs, by the kind of input."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return name

    texts = [json.dumps(document) for document in DOCUMENTS]
    yamls = [yaml_text.compose(document) for document in DOCUMENTS]
    stream = "---\n".join(yamls)
    listed = yaml_text.compose({"apiVersion": "v1", "kind": "List", "items": DOCUMENTS})
    return {
        "JSON lines": ([], "\n".join(texts)),
        "JSON list": (["-"], json.dumps(DOCUMENTS)),
        "list of Kubernetes": ([], json.dumps({"kind": "List", "items": DOCUMENTS})),
        "JSON files": ([write(f"{n}.json", text) for n, text in enumerate(texts)], ""),
        "YAML documents": ([], stream),
        "YAML documents after a comment": ([], f"# Three VIFs\n\n---\n{stream}"),
        "YAML list": ([], yaml_text.compose(DOCUMENTS)),
        "YAML list of Kubernetes": ([], listed),
        "YAML files": ([write(f"{n}.yaml", text) for n, text in enumerate(yamls)], ""),
        "YAML in flow style": ([write("flow.yml", json.dumps(DOCUMENTS, indent=1))], ""),
        "JSON and YAML": ([write("two.yml", "---\n".join(yamls[:2])), "-"], texts[2]),
    }


def content(command: str, found: list) -> object:
    """Return the output of a command without the names of inputs."""
    if command == "convert":
        # A list stays a list in JSON, and becomes documents in YAML.
        flat = [found]
        while any(isinstance(each, list) or "items" in each for each in flat):
            flat = [
                member
                for each in flat
                for member in (each if isinstance(each, list) else each.get("items", [each]))
            ]
        return flat
    if command == "plan":
        return [{**plan, "input": None} for plan in found[0]]
    return found


def test_each_command_is_in_the_table():
    named = [*NO_DATA, *READERS, *FIXED, *ACTING, *NAMES, *KEEP_LISTS]
    assert sorted(named) == sorted(command_parsers())


@pytest.mark.parametrize("command", sorted(set(command_parsers()) - set(NO_DATA)))
def test_each_command_with_data_as_output_prints_json_and_yaml(command):
    (choices,) = [
        action.choices
        for action in command_parsers()[command]._actions
        if "-f" in action.option_strings
    ]
    assert {*object_output.FORMATS} <= set(choices)


@pytest.mark.parametrize("command", [*READERS, *sorted(ACTING)])
def test_each_reader_of_objects_takes_several_files(command):
    (files,) = [
        a
        for a in command_parsers()[command]._actions
        if a.metavar == "FILE" and not a.option_strings
    ]
    assert files.nargs == "*"
    assert "YAML" in files.help or command == "import"


@pytest.mark.parametrize("command", READERS)
def test_each_kind_of_input_gives_the_same_output_in_json_and_in_yaml(run, tmp_path, command):
    expected = None
    for kind, (names, data) in inputs(tmp_path).items():
        # The output does not depend on the kind of the input.
        for output_format in object_output.FORMATS if kind == "YAML documents" else ["json"]:
            arguments = READERS[command].format(format=output_format).split()
            done = run(*arguments, *names, data=data)
            assert done.returncode == 0, (kind, done.stderr)
            found = content(command, parsed(done.stdout, output_format))
            expected = expected or found
            assert found == expected, (kind, output_format)
    assert command in ("check", "validate") or expected


def test_documents_written_as_yaml_are_the_documents(run):
    text = run("convert", "--form", "json", "-f", "yaml", data=json.dumps(DOCUMENTS)).stdout
    assert parsed(text, "yaml") == DOCUMENTS
    assert "address: '52:54:00:12:34:50'\n" in text
    assert "vif_name: 'no'\n" in text


def pods_as_yaml(number: int) -> str:
    """Return what ``kubectl get pods -o yaml`` prints."""
    pods = stored(number)
    for pod in pods:
        pod["metadata"]["uid"] = (
            f"b0000000-0000-4000-8000-00000000000{pod['metadata']['name'][-1]}"
        )
        pod["spec"] = {"nodeName": "node-1"}
    return yaml_text.compose({"apiVersion": "v1", "items": pods, "kind": "List"})


def test_errors_in_yaml_name_file_line_and_path(run, tmp_path):
    (tmp_path / "pods.yaml").write_text(pods_as_yaml(8))
    lines = (tmp_path / "pods.yaml").read_text().splitlines()
    done = run("validate", "pods.yaml")
    assert done.returncode == exit_codes.EXIT_PARTIAL
    for line in done.stdout.splitlines():
        file, at, rest = line.split(":", 2)
        assert file == "pods.yaml"
        assert "openstack.org/kuryr-vif" in lines[int(at) - 1]
        assert "vlan_id: found 'x'; expected a whole number" in rest
    assert len(done.stdout.splitlines()) == 2


def test_validate_prints_data(run):
    text = '{"apiVersion":"os-vif/2.0","kind":"VIFBridge","address":"x"}\n'
    for output_format in object_output.FORMATS:
        done = run("validate", "-f", output_format, data=text)
        assert done.returncode == exit_codes.EXIT_PARTIAL
        assert parsed(done.stdout, output_format) == [
            {
                "file": "<stdin>",
                "line": 1,
                "object": "VIFBridge",
                "path": "address",
                "message": "found 'x'; expected a MAC address, such as fa:16:3e:00:00:01",
                "severity": "error",
            }
        ]


def test_the_outcomes_of_a_conversion_are_data(run):
    done = run("convert", "--form", "json", "--check", "-f", "yaml", data=pods_as_yaml(5))
    found = parsed(done.stdout, "yaml")
    assert [each["outcome"] for each in found] == [
        "converted", "converted", "converted", "not converted", "without VIFs",
    ]  # fmt: skip
    assert found[3]["message"] == "found 'x'; expected a whole number"
    assert found[0]["object"] == "Pod a/web-0"


@pytest.mark.parametrize("command", ["validate", "show"])
def test_objects_are_selected_by_namespace_and_faults_by_reason(run, command):
    text = pods_as_yaml(8)
    everything, only, skipped = (
        run(command, "-f", "json", *options, data=text)
        for options in ((), ("--only", "namespace=a"), ("--skip", "reason=*vlan_id*"))
    )
    assert everything.returncode == exit_codes.EXIT_PARTIAL
    # All faulty pods are in the namespace b.
    assert (only.returncode, skipped.returncode) == (0, 0)
    if command == "show":
        names = [each["name"] for each in parsed(only.stdout, "json")]
        assert names == ["web-0", "web-2", "web-6"]
        assert skipped.stdout == everything.stdout
    else:
        assert (only.stdout, skipped.stdout) == ("", "")
        assert "2 left out" in skipped.stderr


def test_a_yaml_file_is_converted_in_place_to_yaml(run, tmp_path):
    path = tmp_path / "pods.yaml"
    path.write_text(pods_as_yaml(3))
    done = run("convert", "--form", "json", "--in-place", path)
    assert done.returncode == 0
    converted = parsed(path.read_text(), "yaml")
    expected = run("convert", "--form", "json", "-f", "json", data=pods_as_yaml(3))
    assert converted == json.loads(expected.stdout)["items"]
    # A second conversion changes nothing.
    before = path.read_bytes()
    assert "already in that format" in run("convert", "--form", "json", "--in-place", path).stderr
    assert path.read_bytes() == before


def test_the_name_of_the_output_decides_about_yaml(run, tmp_path):
    run("convert", "--form", "json", "-o", "out.yaml", data=json.dumps(DOCUMENTS))
    assert parsed((tmp_path / "out.yaml").read_text(), "yaml") == DOCUMENTS
    run("convert", "--form", "json", "-o", "out.json", "out.yaml")
    assert parsed((tmp_path / "out.json").read_text(), "json") == DOCUMENTS


def test_kuryrports_and_patches_are_written_as_yaml(run):
    for option in ("--kuryrports", "--patch"):
        arguments = ("convert", "--release", "kuryr-10.0.0", option)
        if option == "--patch":
            arguments = ("convert", "--form", "json", option)
        whole = parsed(run(*arguments, "-f", "json", data=pods_as_yaml(3)).stdout, "json")
        expected = whole[0]["items"] if option == "--kuryrports" else whole
        assert len(expected) == 3
        assert (
            parsed(run(*arguments, "-f", "yaml", data=pods_as_yaml(3)).stdout, "yaml") == expected
        )


def test_an_object_that_is_not_json_is_refused_for_yaml_and_nothing_is_replaced(run, tmp_path):
    path = tmp_path / "vifs.json"
    path.write_text('{"apiVersion": 1,\n "apiVersion": 2}\n')
    done = run("convert", "--form", "json", "-f", "yaml", "--in-place", path)
    assert done.returncode == exit_codes.EXIT_BAD_INPUT
    assert f"{path}:1: the object cannot be written as YAML: apiVersion: found" in done.stderr
    assert path.read_text() == '{"apiVersion": 1,\n "apiVersion": 2}\n'


def test_a_repeated_name_affects_only_its_object(run):
    text = "kind: VIFBridge\nkind: VIFBridge\n---\n" + yaml_text.compose(DOCUMENTS[0])
    done = run("validate", data=text)
    assert done.stdout.startswith("<stdin>:2: an object: kind: found the name 'kind' occurs twice")
    assert "2 objects: 1 valid, 1 not valid" in done.stderr


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("validate", "a: b\nc: *n\n", "<stdin>:2:4: c: found the alias *n; expected the value"),
        ("convert --form json", "a: !!binary eA==\n", "<stdin>:1:4: a: found the tag '!!binary'"),
        ("plan", "kind: [\n", "<stdin>:2:1: kind[0]: found invalid YAML ("),
        ("import kuryr", "--- text\n", "<stdin>:1:5: found 'text'; expected a mapping or a list"),
        ("survey", "a:\n  1: b\n", "<stdin>:2:3: a: found the key 1; expected a string"),
    ],
)
def test_other_yaml_is_one_error_with_line_and_column(run, command, text, expected):
    done = run(*command.split(), data=text)
    assert (done.returncode, done.stdout) == (exit_codes.EXIT_BAD_INPUT, "")
    assert done.stderr.startswith(expected)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["hello\n", "hello", " a b: c\n", "12\n", "\ufeff# x\n"])
def test_text_that_is_neither_json_nor_yaml_is_refused(run, text):
    done = run("validate", data=text)
    assert done.returncode == exit_codes.EXIT_BAD_INPUT
    assert "expected JSON or YAML" in done.stderr


def test_yaml_from_a_pipe_is_read_as_it_comes(os_vif_command):
    with subprocess.Popen(
        [os_vif_command, "show", "-f", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write(yaml_text.compose(DOCUMENTS[0]) + "---\n")
        process.stdin.flush()
        process.stdin.write(yaml_text.compose(DOCUMENTS[1]))
        process.stdin.close()
        lines = process.stdout.readlines()
    assert [json.loads(line) for line in lines] == DOCUMENTS[:2]


def test_a_keep_list_is_read_as_yaml(run):
    """The names are those of the JSON."""
    ports = [
        {
            "kind": "KuryrPort",
            "spec": {"podUid": "b0000000-0000-4000-8000-000000000000"},
            "status": {"vifs": {"eth0": {"vif": DOCUMENTS[0]}}},
        }
    ]
    whole = {"kind": "List", "items": ports}
    expected = keep_lists.parse(json.dumps(whole))
    text = "".join(yaml_text.json_pieces(io.BytesIO(yaml_text.compose(whole).encode()).read1))
    assert keep_lists.parse(text) == expected
    done = run("gc", "--dry-run", "--keep", "-", data="items: []\nitems: []\nkind: List\n")
    assert done.returncode == exit_codes.EXIT_BAD_INPUT
    assert "occurs twice" in done.stderr


def test_a_survey_prints_the_faulty_objects_as_data(run):
    done = run("survey", "--faulty", "-f", "yaml", data=pods_as_yaml(8))
    assert parsed(done.stdout, "yaml") == [
        [
            {"Namespace": "b", "Object": "Pod/web-3"},
            {"Namespace": "b", "Object": "Pod/web-7"},
        ]
    ]


def test_a_schema_is_the_same_in_yaml(run):
    for arguments in (["Route"], ["KuryrPort", "--kubernetes"]):
        as_json, as_yaml = (
            run("schema", *arguments, "-f", output_format)
            for output_format in object_output.FORMATS
        )
        assert parsed(as_yaml.stdout, "yaml") == [json.loads(as_json.stdout)]


def test_a_binary_form_has_no_yaml(run):
    done = run("convert", "--form", "protobuf", "-f", "yaml", data=json.dumps(DOCUMENTS[0]))
    assert done.returncode == exit_codes.EXIT_BAD_INPUT
    assert "--format needs a form of JSON" in done.stderr


def test_members_in_other_notations_are_the_same(run):
    """Quotes, blocks and comments."""
    text = textwrap.dedent("""\
        # A VIF
        "apiVersion": 'os-vif/2.0'
        kind: >-
          VIFBridge
        ? network
        : {mtu: 1450}  # bytes
        """)
    (found,) = parsed(run("show", "-f", "json", data=text).stdout, "json")
    assert (found["kind"], found["network"]["mtu"]) == ("VIFBridge", 1450)


def test_options_may_stand_between_the_arguments(run, tmp_path):
    inputs(tmp_path)
    done = run("import", "kuryr", "-f", "yaml", "0.yaml", "--format=json", "1.yaml")
    assert parsed(done.stdout, "json") == DOCUMENTS[:2]
    assert run("show", "0.json", "-f", "json", "1.json").stdout == done.stdout
