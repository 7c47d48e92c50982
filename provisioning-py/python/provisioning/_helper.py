"""The keeper of local servers and processes: the interpreter, started again by the engine, and never by hand."""

from __future__ import annotations

import sys

from ._provisioning import keep

if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
