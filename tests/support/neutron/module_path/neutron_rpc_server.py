# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The program neutron-rpc-server: ``python -m neutron_rpc_server``."""

import sys

import neutron_with_sqlite  # noqa: F401 - before neutron
from neutron.cmd.server import main_rpc

if __name__ == "__main__":
    # The name of the log.
    sys.argv[0] = "neutron-rpc-server"
    sys.exit(main_rpc())
