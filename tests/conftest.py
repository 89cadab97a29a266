# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for the tests of every tier."""

pytest_plugins = ["tests.vm.plugin"]
