# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``python -m os_vif``, which is the command ``os-vif``."""

import sys

from os_vif.cmd import main

if __name__ == "__main__":
    # The name of the program is the default owner of the VIFs of the command.
    sys.argv[0] = "os-vif"
    sys.exit(main.main())
