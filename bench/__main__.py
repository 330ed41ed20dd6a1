"""``python -m bench``, and ``microgpt-bench``: the command line."""

import sys


def main() -> None:
    """Import the command line, which takes a moment that may be interrupted too, and run it."""
    try:
        from bench.host import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
