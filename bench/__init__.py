"""microgpt-bench: what each way of writing a scalar autograd engine costs, with proof that the losses agree."""

from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Engine, Parity
from bench.workload.trainer import Step, Trainer

__all__ = ["Config", "Engine", "Parity", "Step", "Trainer", "WorkloadError"]
