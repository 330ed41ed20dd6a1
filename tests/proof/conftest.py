"""The small runs of tests/host serve here too."""

from tests.host.conftest import _plain_world, bench_command, documents, small_run
from tests.host.test_check import check, project

__all__ = ["_plain_world", "bench_command", "check", "documents", "project", "small_run"]
