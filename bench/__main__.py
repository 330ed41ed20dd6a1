"""``python -m bench``, and ``microgpt-bench``: the command line."""

import sys
import time


def main() -> None:
    """Import the command line, which takes a moment that may be interrupted too, and run it."""
    began = time.monotonic()
    try:
        from bench.cli import ending
        from bench.host.system import deadline
    except KeyboardInterrupt:
        sys.exit(130)
    deadline.COMMAND_BEGAN = began
    ending.run(_command)


def _command() -> int:
    from bench.cli import main

    return main.command()


if __name__ == "__main__":
    main()
