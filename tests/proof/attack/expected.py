"""What must come out of each engine of this folder, kind by kind.

Outcomes: ``diverged``, ``failed``, ``skipped`` are a cell's own words. ``broken promise``: measured, but not as good
as the engine promises. ``flagged``: measured, and the table says what is odd about it. ``honest``: measured and
nothing said. ``unpaid``: any of them but a speed that is believed.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import engines

BUILT_IN = engines.NAMES


class Expected(NamedTuple):
    """``words``: a regular expression that the reason, or the row, must have. ``uncaught``: why it is not so yet."""

    outcome: str
    words: str = ""
    uncaught: str = ""


@dataclasses.dataclass(frozen=True)
class Kind:
    """``options`` of the run; ``left``: why processes or files of it still stay behind."""

    options: list[str]
    engines: dict[str, Expected]
    left: str = ""


GRADIENTS = Expected("diverged", "gradient of")
SHORT = ["--rounds", "1", "--turn", "0.001"]

MATHEMATICS = {
    "linear_short": GRADIENTS,
    "rmsnorm_eps": GRADIENTS,
    "rmsnorm_detached": GRADIENTS,
    "softmax_without_max": Expected("broken promise"),
    "softmax_temperature": GRADIENTS,
    "attention_unscaled": GRADIENTS,
    "attention_blind": GRADIENTS,
    "attention_last_three": GRADIENTS,
    "attention_leaks": GRADIENTS,
    "attention_heads_swapped": GRADIENTS,
    "attention_keeps_cache": Expected("diverged", "loss off .* at step 2"),
    "relu_leaky": GRADIENTS,
    "relu_left_out": GRADIENTS,
    "relu_gradient_one": GRADIENTS,
    "residual_halved": GRADIENTS,
    "embedding_next_row": GRADIENTS,
    "cross_entropy_smoothed": GRADIENTS,
    "cross_entropy_base_two": GRADIENTS,
    "mean_is_sum": GRADIENTS,
    "mean_first_four": GRADIENTS,
    "single_precision": GRADIENTS,
    "gradient_sign": GRADIENTS,
    "gradient_doubled": GRADIENTS,
    "gradient_twice": GRADIENTS,
    "gradient_off_1e_10": Expected("diverged", "gradient of lm_head"),
    "gradient_without_wk": GRADIENTS,
    "gradient_softmax_diagonal": GRADIENTS,
    "gradient_second_step": Expected("diverged", "step|parameters"),
    "gradient_last_step": Expected("diverged", "parameters"),
    "gradient_of_short_documents": Expected("diverged", "step|parameters"),
    "gradient_read_only": Expected("diverged", "step|parameters"),
    "gradient_nan": GRADIENTS,
    "adam_beta2": Expected("diverged", "step|parameters"),
    "adam_eps": Expected("diverged", "step|parameters"),
    "adam_uncorrected": Expected("diverged", "step|parameters"),
    "adam_step_ahead": Expected("diverged", "step|parameters"),
    "adam_learning_rate": Expected("diverged", "step|parameters"),
    "adam_skips_matrix": Expected("diverged", "step|parameters"),
    "adam_single_precision": Expected("diverged", "step|parameters"),
    "adam_keeps_gradients": Expected("diverged", "step|parameters"),
    "adam_amsgrad": Expected("diverged", "step|parameters"),
    "adam_never_updates": Expected("diverged", "step|parameters"),
    "loss_scaled": Expected("diverged", "loss off .* at step 1"),
    "loss_rounded": Expected("diverged", "loss off .* at step 1"),
    "loss_always_the_first": Expected("diverged", "loss off .* at step 2"),
    "loss_wrong_from_the_third": Expected("diverged", "loss off .* at step 3"),
    "loss_nan": Expected("diverged", "loss is nan at step 2"),
    "loss_infinite": Expected("diverged", "loss is inf at step 1"),
    "validation_wrong": Expected("diverged", "step 2"),
    "parameters_wrong": Expected("diverged", "parameters"),
    "parameters_read_from_start": Expected("diverged", "step|parameters"),
    "parameters_rounded": Expected("broken promise"),
    "parameters_nan": Expected("diverged", "nan|parameters"),
    "sum_backwards": Expected("broken promise"),
    "sum_compensated": Expected("broken promise"),
    "promise_too_good": Expected("broken promise"),
}

KINDS = {
    "mathematics": Kind([*SHORT, "--validation-split", "0.2", "--validate-every", "2"], MATHEMATICS),
}
