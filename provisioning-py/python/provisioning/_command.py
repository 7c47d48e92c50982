"""The ``provisioning`` command."""

from __future__ import annotations

import signal
import sys

from . import _provisioning
from ._helper import KEEPER


def main() -> None:
    """Run the command with the arguments of the process, and exit with its code."""
    # The command listens to signals itself; what Python does with them would come too late.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_provisioning.command(["provisioning", *sys.argv[1:]], KEEPER))
