"""About how much memory a training needs in the browser, where WebAssembly has 2 GB for certain."""

from __future__ import annotations

from bench import Config, WorkloadError

LARGEST = 1_500_000_000  # bytes, so that Python itself and a copy of the weights still fit
OF_A_NODE = 130  # bytes of a scalar node with its tuples and floats, 32-bit pointers
OF_A_WEIGHT = 120  # bytes of one with gradient and moments, as floats in lists


class Sizes:
    """The estimate for one configuration: ``bytes``."""

    def __init__(self, config: Config, vocabulary: int, scalar: bool) -> None:
        n = config.n_embd
        weights = 2 * vocabulary * n + config.block_size * n + config.n_layer * 12 * n * n
        products = config.block_size * (vocabulary * n + config.n_layer * (12 * n * n + 2 * config.block_size * n))
        self.bytes = weights * OF_A_WEIGHT + (2 * products * OF_A_NODE if scalar else products * 16)

    def check(self) -> None:
        """Raises WorkloadError where it would not fit."""
        if self.bytes > LARGEST:
            raise WorkloadError(
                f"n_embd, n_layer and block_size need about {self.bytes / 1e9:.1f} GB, and a browser has room for"
                f" {LARGEST / 1e9:.1f}: choose a smaller model, or an engine that makes no object a number"
            )
