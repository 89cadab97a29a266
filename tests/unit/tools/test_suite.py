# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The check of the test suite finds tests that do not run, and imports between test modules."""

from __future__ import annotations

import pytest

from tools import suite


@pytest.mark.parametrize(
    ("markers", "tiers"),
    [
        ([], {"testenv"}),
        (["vm"], {"testenv", "testenv:vm"}),
        (["soak"], {"testenv:soak"}),
        (["interop"], set()),
        (["interop", "soak"], {"testenv:soak"}),
    ],
)
def test_the_tiers_of_a_test_follow_from_markers_and_paths(markers, tiers):
    found = suite.read_tiers()
    assert {
        name for name, tier in found.items() if suite.runs(tier, "tests/a.py", markers)
    } == tiers
    assert suite.runs(found["testenv:interop"], "tests/interop/a.py", ["interop"])


def test_a_test_outside_all_tiers_is_found():
    tests = {
        "tests/interop/a.py::test": ["interop"],
        "tests/b.py::test": ["vm"],
        "tests/c.py::test": ["soak"],
    }
    tiers = suite.read_tiers()
    assert list(suite.check_tiers(tests, tiers)) == []
    tests["tests/d.py::test"] = ["interop"]
    assert list(suite.check_tiers(tests, tiers)) == [
        "tests/d.py::test: no environment of tox.ini runs the test"
    ]
    del tests["tests/c.py::test"]
    assert "tox.ini: testenv:soak runs no test" in suite.check_tiers(tests, tiers)


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("tests/unit/test_a.py", "from tests.unit import test_b", "the test module"),
        ("tests/a.py", "def f():\n    import tests.test_b", "the test module"),
        ("tests/a.py", "from tests.test_b import c", "the test module"),
        ("testbed/a.py", "from tests.support import b", "of the tests"),
        ("benchmarks/a.py", "import tests.support.b", "of the tests"),
        ("tests/unit/test_a.py", "from benchmarks import b", "of the benchmarks"),
        ("tests/unit/test_benchmark_a.py", "from benchmarks import b", None),
        ("tests/unit/test_a.py", "from tests.support import b", None),
        ("benchmarks/a.py", "from testbed import b", None),
    ],
)
def test_an_import_between_tests_is_found(tmp_path, path, code, found):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(code)
    faults = list(suite.check_imports(tmp_path))
    assert len(faults) == bool(found)
    assert all(fault.startswith(path) and found in fault for fault in faults)


def test_a_test_in_a_file_that_is_not_collected_is_found(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in ("test_a.py", "b.py"):
        (tmp_path / "tests" / name).write_text("def test_a(): pass\ndef helper(): pass")
    assert list(suite.check_file_names(tmp_path)) == [
        "tests/b.py:1: pytest does not collect test_a()"
    ]


def test_a_folder_with_too_many_files_is_found(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a").mkdir()
    for number in range(21):
        (tmp_path / f"tests/a/m{number}.py").touch()
    assert list(suite.check_folders(tmp_path)) == ["tests/a: 21 Python files, at most 20 expected"]


def test_a_skip_without_a_condition_is_found(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a.py").write_text("@pytest.mark.skipif(False)")
    assert list(suite.check_skips(tmp_path)) == []
    (tmp_path / "tests/a.py").write_text("@pytest.mark." + "skip()")
    assert len(list(suite.check_skips(tmp_path))) == 1


def test_a_replaced_name_that_the_module_has_not_is_found(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/kills.py").write_text("import os\ndef stop(): ...\nLIMIT = 3\n")
    text = "from tests import kills\n" + "".join(
        f"monkeypatch.setattr(kills, {name!r}, None)\n" for name in ("os", "stop", "LIMIT", "end")
    )
    (tmp_path / "tests/test_a.py").write_text(text)
    found = list(suite.check_replacements(tmp_path))
    assert found == ["tests/test_a.py:5: tests.kills has no end"]
