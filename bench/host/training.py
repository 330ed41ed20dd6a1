"""What the commands that train in this process need of bench.workload.failures."""

from bench.workload.failures import check_loss, failures_of

__all__ = ["check_loss", "failures_of"]
