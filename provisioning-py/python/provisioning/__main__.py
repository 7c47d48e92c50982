"""The ``provisioning`` command, as ``python -m provisioning``."""

from ._command import main

main()
