"""``python -m bench``: the command line."""

from bench.host.cli import main

main()
