"""The small runs of tests/host serve here too."""

from tests.host.conftest import _plain_world, bench_command, documents, small_run

__all__ = ["_plain_world", "bench_command", "documents", "small_run"]
