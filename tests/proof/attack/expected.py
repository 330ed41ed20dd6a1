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
    """``words``: a regular expression that the reason, or the row, must have.

    ``uncaught``: why it is not so yet, always or only ``sometimes``.
    """

    outcome: str
    words: str = ""
    uncaught: str = ""
    sometimes: bool = False


@dataclasses.dataclass(frozen=True)
class Kind:
    """``options`` of the run; ``folder`` of the engines' files, where it is not the kind's name.

    ``alone``: each of them has a run of its own, in which the reference must come out unhurt. ``left``: why processes or files of the run still stay behind.
    """

    options: list[str]
    engines: dict[str, Expected]
    folder: str = ""
    alone: bool = False
    left: str = ""


GRADIENTS = Expected("diverged", "gradient of")
# found by the loss, or before that, where a step is looked at, by what restore() does not bring back
KEEPS_STATE = Expected("diverged or failed", "loss off|repeated from the same state")
SHORT = ["--rounds", "1", "--min-time", "0.001"]

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
    "attention_keeps_cache": KEEPS_STATE,
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
    "loss_always_the_first": KEEPS_STATE,
    "loss_wrong_from_the_third": KEEPS_STATE,
    "loss_nan": Expected("diverged or failed", "loss is nan|repeated from the same state"),
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

FAILED = Expected("failed")
HONEST = Expected("honest")

PROTOCOL = {
    "prints": HONEST,
    "forges_answer": FAILED,
    "forges_with_the_id": Expected("failed or diverged"),  # what it forges may be the loss of a repeat
    "writes_garbage": Expected("failed or honest"),
    "writes_without_end": Expected("failed or honest"),
    "closes_descriptors": FAILED,
    "reads_orders": Expected("failed or honest"),
    "exits": FAILED,
    "exits_at_once": FAILED,
    "exits_on_import": FAILED,
    "killed": Expected("failed", "SIGKILL"),
    "crashes": Expected("failed", "SIGSEGV"),
    "forks": FAILED,
    "interrupts": Expected("failed", "KeyboardInterrupt"),
    "generator_exits": Expected("failed", "GeneratorExit"),
    "raises_base_exception": Expected("failed", "BaseException"),
    "recurses": Expected("failed", "recursion"),
    "out_of_memory": Expected("failed", "memory"),
    "error_enormous": Expected("failed", "ValueError: .*red"),
    "error_surrogate": Expected("failed", "ValueError: half a character"),
    "error_of_an_error": FAILED,
    "error_unavailable": Expected("failed", "tired"),
    "dies_loudly": Expected("failed", "exit status 7"),
    "loss_none": Expected("failed or diverged"),
    "loss_bool": Expected("diverged", "loss off"),
    "loss_text": FAILED,
    "loss_complex": FAILED,
    "loss_huge": FAILED,
    "loss_list": FAILED,
    "nodes_nan": Expected("failed", "nodes"),
    "nodes_text": Expected("failed", "nodes"),
    "nodes_negative": Expected("failed", "nodes"),
    "nodes_huge": Expected("failed", "nodes"),
    "nodes_bool": Expected("failed", "nodes"),
    "nodes_none": Expected("failed", "nodes"),
    "samples_are_numbers": FAILED,
    "values_too_many": Expected("failed or diverged"),
    "values_ragged": Expected("failed or diverged"),
    "gradients_too_few": Expected("failed or diverged"),
    "gradients_empty": Expected("failed or diverged"),
    "gradients_text": FAILED,
    "literal_missing": Expected("failed", "does not end in ENGINE"),
    "literal_is_a_dict": Expected("failed", "does not end in ENGINE"),
    "literal_parity_is_text": FAILED,
    "literal_summary_is_a_screen": HONEST,
    "literal_summary_is_bytes": FAILED,
    "literal_own_parent": HONEST,
    "import_fails": Expected("failed", "ZeroDivisionError"),
    "import_of_nothing": Expected("failed", "a_module_that_is_nowhere"),
    "import_exits": Expected("failed", "SystemExit"),
    "import_interrupts": Expected("failed", "KeyboardInterrupt"),
    "import_of_no_python": Expected("failed", "SyntaxError"),
    "hangs_at_exit": HONEST,
    "unavailable": Expected("skipped", "quantum"),
    "unavailable_number": Expected("skipped or failed"),
}

SILENT = {
    "hangs": Expected("failed", "no answer within"),
    "hangs_busily": Expected("failed", "no answer within"),
    "hangs_on_import": Expected("failed", "no answer within"),
    "stops": Expected("failed", "no answer within"),
    "ignores_the_end": Expected("failed", "no answer within"),
    "counts_for_ever": HONEST,
    "draws_for_ever": Expected("failed", "no answer within"),
}

SAMPLES = Expected("diverged", "sample|probabilit")

GENERATION = {
    "draws_a": SAMPLES,
    "draws_nothing": SAMPLES,
    "draws_nothing_in_rounding": SAMPLES,
    "draws_uniformly": SAMPLES,
    "draws_greedily": SAMPLES,
    "temperature_ignored": SAMPLES,
    "temperature_almost": SAMPLES,
    "probabilities_off": SAMPLES,
    "probabilities_top_three": SAMPLES,
    "probabilities_nan": Expected("diverged or failed", "sample|probabilit|weights"),
    "probabilities_negative": Expected("diverged or failed", "sample|probabilit|weights"),
    "probabilities_too_few": Expected("diverged or failed", "sample|probabilit|weights"),
    "probabilities_of_the_first_text": SAMPLES,
    "probabilities_by_token": SAMPLES,
    "honest_when_asked": SAMPLES,
    "honest_after_twenty": SAMPLES,
    "honest_in_the_first_texts": SAMPLES,
    "without_attention": SAMPLES,
    "steals_random_numbers": SAMPLES,
    "draw_replaced": Expected("diverged or failed"),
}

UNPAID = Expected("unpaid")

CACHES = {
    "repeats_differ": Expected("failed", "repeated from the same state"),
    "step_by_weights": UNPAID,
    "step_by_document": UNPAID,
    "step_by_number": UNPAID,
    "step_by_state_of_repeat": UNPAID,
    "backward_by_loss": UNPAID,
    "ahead_at_start": UNPAID,
    "ahead_in_load": Expected("failed", "taking over the training run.s state"),
    "ahead_in_restore": UNPAID,
    "deferred_to_reading": Expected("failed", "outside the clock"),
    "ahead_in_snapshot": UNPAID,
    "ahead_in_every_frame": UNPAID,
    "ahead_in_matrix": UNPAID,
    "fakes_the_unknown": Expected("diverged or failed"),
    "fakes_after_the_first": UNPAID,
    "fakes_unless_probed": UNPAID,
    "deferred_to_snapshot": UNPAID,
    "deferred_to_a_thread": UNPAID,
    "samples_ahead": UNPAID,
}

PROCESSES = {
    "child_each_step": UNPAID,
    "child_that_serves": UNPAID,
    "daemon_that_serves": UNPAID,
    "daemon_on_a_socket": UNPAID,
    "pool": UNPAID,
    "busy_wait": UNPAID,
    "sleeps_instead": UNPAID,
    "child_nobody_waits_for": UNPAID,
    "child_reaped_outside": UNPAID,
    "thread_each_step": UNPAID,
}

CLOCKS = {
    "sleeps": Expected("flagged"),
    "wall_clock_halved": FAILED,
    "processor_clock_halved": FAILED,
    "clocks_in_default_arguments": FAILED,
    "clocks_of_running_functions": UNPAID,
    "clock_in_frames": UNPAID,
    "clock_in_every_frame": UNPAID,
    "worker_step_replaced": FAILED,
    "worker_step_rewritten": FAILED,
    "answers_replaced": FAILED,
    "encoder_replaced": FAILED,
    "encoder_of_the_module": FAILED,
    "division_by_numbers": HONEST,
    "trainer_step_replaced": FAILED,
    "trainer_of_the_instance": FAILED,
    "trainer_of_another_class": Expected("failed or diverged"),
    "trainer_restore_replaced": Expected("failed or diverged"),
    "model_of_the_instance": FAILED,
    "gpt_loss_replaced": Expected("failed or diverged"),
    "gpt_call_replaced": FAILED,
    "vocabulary_replaced": Expected("failed or diverged"),
    "loss_of_replaced": FAILED,
    "sum_replaced": FAILED,
    "float_replaced": FAILED,
    "built_in_hidden": FAILED,
    "time_module_hidden": FAILED,
    "gc_collect_replaced": FAILED,
    "random_replaced": FAILED,
    "signal_alarm": FAILED,
    "signal_alarm_in_seconds": FAILED,
    "profile_hook": FAILED,
    "trace_hook": FAILED,
    "audit_hook": HONEST,
    "switch_interval": FAILED,
    "recursion_limit": HONEST,
    "nice": FAILED,
    "affinity": FAILED,
    "scheduler": FAILED,
    "seal_broken": FAILED,
    "seal_of_the_instance": FAILED,
    "puts_back": UNPAID,
    "man_in_the_middle": UNPAID,
    "clock_in_c": Expected(
        "unpaid", uncaught="half of the processor time may be a busy machine's, seen in one round", sometimes=True
    ),
}

COLLECTED = Expected("failed", "collector")

COLLECTOR = {
    "off_at_import": COLLECTED,
    "off_in_the_first_step": COLLECTED,
    "off_in_the_optimizer": COLLECTED,
    "off_within_each_step": COLLECTED,
    "off_between_windows": COLLECTED,
    "thresholds": COLLECTED,
    "thresholds_in_each_step": COLLECTED,
    "freezes_each_step": COLLECTED,
    "freezes_and_thaws": COLLECTED,
    "collects_outside": COLLECTED,
    "callback_raises": COLLECTED,
    "callback_disables": COLLECTED,
    "debugging": COLLECTED,
    "enable_replaced": FAILED,
    "keeps_all_garbage": Expected(
        "honest or flagged"
    ),  # what it keeps makes the collector's turns longer, at times by much
    "off_and_says_so": Expected("flagged", "without the cyclic garbage collector"),
    "off_says_nonsense": FAILED,
}

LEFTOVERS = {
    "child_left": Expected("failed or honest"),
    "child_of_its_own_session": Expected("failed or honest"),
    "daemon": Expected("failed or honest"),
    "daemon_then_dies": Expected("failed", "exit status 3"),
    "child_holds_the_pipe": Expected(
        "failed",
        "exit status 3",
    ),
    "thread_left": Expected("failed or honest"),
    "thread_busy": FAILED,
    "child_busy": FAILED,
    "temporary_files": HONEST,
    "changes_folder": HONEST,
    "changes_environment": HONEST,
    "closes_errors": Expected("failed", "nobody hears me|exit status"),
    "listens": HONEST,
}

VANDALS = {
    "edits_worker": FAILED,
    "edits_reference": FAILED,
    "edits_itself": Expected("failed or honest"),
    "compiled_file": FAILED,
    "module_in_the_source": FAILED,
    "deletes_documents": FAILED,
    "edits_documents": FAILED,
    "deletes_sources": FAILED,
}

HONEST_ONES = {
    **{name: Expected("honest or skipped") for name in BUILT_IN},
    "jax": Expected(
        "honest or flagged or skipped"
    ),  # its library prepares a call of a function that was not called lately
    "batched": HONEST,
    "slow_on_purpose": HONEST,
    "constants_by_length": HONEST,
    "compiles_at_first_use": HONEST,
    "idle_thread": HONEST,
    "child_at_import": HONEST,
    "helper_beside_it": HONEST,
    "rounding_promised": HONEST,
    "promises_less": HONEST,
    "memory_kept": HONEST,
    "uneven": HONEST,
    "collects_itself": HONEST,
    "seeds_random_numbers": HONEST,
}

REPEATED = ["--rounds", "1", "--min-time", "0.05", "--timeout", "20"]
TWICE = ["--rounds", "2", "--min-time", "0.05", "--timeout", "20"]  # for what one round leaves to the next

KINDS = {
    "mathematics": Kind([*SHORT, "--from-start", "--validation-split", "0.2", "--validate-every", "2"], MATHEMATICS),
    "generation": Kind(SHORT, GENERATION),
    "caches": Kind(["--rounds", "1", "--min-time", "0.06", "--timeout", "30"], CACHES, folder="shortcuts"),
    "disk": Kind(TWICE, {"on_disk": UNPAID}, folder="shortcuts"),
    "processes": Kind(REPEATED, PROCESSES, folder="shortcuts"),
    "clocks": Kind(REPEATED, CLOCKS),
    "collector": Kind(REPEATED, COLLECTOR),
    "protocol": Kind([*SHORT, "--timeout", "15"], PROTOCOL),
    "silent": Kind([*SHORT, "--timeout", "8"], SILENT),
    "leftovers": Kind(TWICE, LEFTOVERS),
    "vandals": Kind(["--rounds", "2", "--min-time", "0.001", "--timeout", "20"], VANDALS, alone=True),
    "honest": Kind(TWICE, HONEST_ONES),
}
