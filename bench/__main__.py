"""``python -m bench``, and ``microgpt-bench``: the command line."""

import sys


def main() -> None:
    """Import the command line, which takes a moment that may be interrupted too, and run it."""
    try:
        from bench.host import ending
    except KeyboardInterrupt:
        sys.exit(130)
    ending.run(_command)


def _command() -> int:
    from bench.host import cli

    return cli.command()


if __name__ == "__main__":
    main()
