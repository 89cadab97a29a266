# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for the tests of every tier."""

import hypothesis

pytest_plugins = ["tests.limits", "tests.vm.plugin"]

# On a loaded machine an example may take any time. In the short form the same examples are tried
# on each run, so that a change is judged by what it changes; soak tests search for new ones.
hypothesis.settings.register_profile("short", deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", deadline=None)
hypothesis.settings.load_profile("short")


def pytest_configure(config):
    """Let runs of soak tests search for new examples."""
    if "soak" in (config.option.markexpr or "").split() and "not soak" not in (
        config.option.markexpr
    ):
        hypothesis.settings.load_profile("soak")
