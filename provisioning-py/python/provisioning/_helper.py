"""The keeper of local servers and processes: the interpreter, started again by the engine, and never by hand.

It is started by its path, since the engine gives what it starts no environment that would say where the package lies.
"""

from __future__ import annotations

import os
import sys

KEEPER = [sys.executable, os.path.abspath(__file__)]
"""The words that start it."""

if __name__ == "__main__":
    # The folder of a program stands first in the path: that of the package has to stand there, not what is in it.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    from provisioning._provisioning import keep

    sys.exit(keep(sys.argv[1:]))
