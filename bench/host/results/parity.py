"""Do an engine's losses agree with the reference's? No timing counts before this has said so.

Three words: *bit-identical* (losses, first gradients and final parameters equal as floats), *rounding* (not that,
but within the tolerances below), *DIVERGED* (anything else). The tolerances lie four orders of magnitude above the
rounding differences between correct engines, and far below what an error of one part in 10⁶ in any one op makes:
rounding differences measured after 120 steps of names are 9e-16 in the losses, 6e-15 in the gradients (relative,
per matrix) and 1e-15 in the parameters.

Gradients are compared beside the losses because Adam divides a gradient by its own size: one that is wrong by a
constant factor trains almost the same model.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.workload.engine import LOSS_TOLERANCE

GRADIENT_TOLERANCE = 1e-11  # relative to the norm of the matrix's gradient
# plus this share of all gradients' norm: where a matrix's gradient is a small difference of large numbers (rmsnorm of
# very narrow models), its rounding error is measured by what it is a difference of
GRADIENT_FLOOR = 1e-3
PARAMETER_TOLERANCE = 1e-10  # absolute
PROBABILITY_TOLERANCE = 1e-10  # absolute, relative to the probabilities' sum


class Agreement(enum.StrEnum):
    """What a comparison found; ordered from best to worst."""

    BIT_IDENTICAL = "bit-identical"
    ROUNDING = "rounding"
    DIVERGED = "DIVERGED"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One cell against the reference: the verdict, the largest |Δloss| and the first step (from 1) that differs."""

    parity: Agreement
    largest: float = 0.0
    first_step: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        """The table's words."""
        if self.parity is Agreement.BIT_IDENTICAL:
            return str(self.parity)
        if self.parity is Agreement.DIVERGED:
            return f"{self.parity}: {self.reason}"
        if self.first_step is None:
            return "rounding (losses equal)"
        return f"rounding (≤ {self.largest:.1e}, from step {self.first_step})"


def meets_promise(finding: Finding, promised: str) -> bool:
    """Whether what was found is as good as an engine promises, by the word of its promise, or better."""
    order = list(Agreement)
    return order.index(finding.parity) <= order.index(Agreement(promised))


def worst(findings: Sequence[Finding]) -> Finding:
    """The findings of several rounds as one."""
    order = list(Agreement)
    lowest = max(findings, key=lambda finding: order.index(finding.parity))
    steps = [finding.first_step for finding in findings if finding.first_step is not None]
    return dataclasses.replace(
        lowest, largest=max(finding.largest for finding in findings), first_step=min(steps, default=None)
    )


def compare_losses(reference: Sequence[float], losses: Sequence[float], first_step: int = 1) -> Finding:
    """Two equally long lists of losses, of the steps from ``first_step`` on."""
    if len(reference) != len(losses):
        raise ValueError(
            f"{len(losses)} losses against {len(reference)} of the reference: they must be of the same steps"
        )
    largest, first = 0.0, None
    for step, (expected, got) in enumerate(zip(reference, losses), first_step):
        if not (math.isfinite(got) and math.isfinite(expected)):
            which = "the loss" if math.isfinite(expected) else "the reference's loss"
            return Finding(
                Agreement.DIVERGED,
                math.inf,
                step,
                f"{which} is {got if which == 'the loss' else expected} at step {step}",
            )
        if got != expected:
            first = first or step
            largest = max(largest, abs(got - expected))
            if largest > LOSS_TOLERANCE:
                return Finding(Agreement.DIVERGED, largest, step, f"loss off by {largest:.1e} at step {step}")
    return Finding(Agreement.BIT_IDENTICAL if first is None else Agreement.ROUNDING, largest, first)


def unpack(packed: str) -> np.ndarray:
    """The doubles that a worker sent as base64."""
    return np.frombuffer(base64.b64decode(packed), dtype="<f8")


def compare_gradients(reference: np.ndarray, gradients: np.ndarray, shapes: Mapping[str, Sequence[int]]) -> Finding:
    """The first step's gradients, matrix by matrix in the order of ``shapes`` (name to (n_out, n_in))."""
    if reference.shape != gradients.shape:
        return Finding(
            Agreement.DIVERGED, reason=f"{gradients.size} gradients where the reference has {reference.size}"
        )
    if np.array_equal(reference, gradients):
        return Finding(Agreement.BIT_IDENTICAL)
    start, floor = 0, GRADIENT_FLOOR * np.linalg.norm(reference)
    for name, (n_out, n_in) in shapes.items():
        matrix = slice(start, start + n_out * n_in)
        start = matrix.stop
        size = np.linalg.norm(reference[matrix])
        error = np.linalg.norm(gradients[matrix] - reference[matrix])
        if not error <= GRADIENT_TOLERANCE * (size + floor):  # written so that NaN fails
            relative = error / size if size else math.inf
            return Finding(Agreement.DIVERGED, reason=f"gradient of {name} off by {relative:.1e} at step 1")
    return Finding(Agreement.ROUNDING)


def compare_parameters(reference: np.ndarray, parameters: np.ndarray, what: str = "final parameters") -> Finding:
    """The parameters after the same steps."""
    if reference.shape != parameters.shape:
        return Finding(
            Agreement.DIVERGED, reason=f"{parameters.size} parameters where the reference has {reference.size}"
        )
    if np.array_equal(reference, parameters):
        return Finding(Agreement.BIT_IDENTICAL)
    error = np.max(np.abs(parameters - reference))
    if not error <= PARAMETER_TOLERANCE:
        return Finding(Agreement.DIVERGED, reason=f"{what} off by {error:.1e}")
    return Finding(Agreement.ROUNDING)


def compare_samples(
    reference: Mapping[str, Any], drawn: Mapping[str, Any], vocabulary: int, block_size: int
) -> Finding:
    """What a worker drew from its trained model, and with which probabilities: two answers to the order "generate".

    Along the reference's samples the probabilities must be the same within the tolerance. So must be the weights that
    its own tokens were drawn by, up to the first one that differs. Where every bit agrees, the samples are the same.
    """
    texts, own = reference["samples"], drawn["samples"]
    if len(texts) != len(own):
        return Finding(Agreement.DIVERGED, reason=f"{len(own)} samples where {len(texts)} were asked for")
    expected, along = unpack(reference["along"]), unpack(drawn["along"])
    if expected.shape != along.shape:
        return Finding(Agreement.DIVERGED, reason=f"{along.size} probabilities where the reference has {expected.size}")
    if not (error := _largest(expected, along)) <= PROBABILITY_TOLERANCE:
        return Finding(Agreement.DIVERGED, reason=f"probabilities off by {error:.1e} along the reference's samples")
    theirs, its = (_by_sample(answer, vocabulary, block_size) for answer in (reference, drawn))
    if theirs is None or its is None:
        return Finding(Agreement.DIVERGED, reason="its samples have not as many tokens as were drawn")
    for text, sample, weights, reference_weights in zip(texts, own, theirs, its):
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(text, sample)))
        places = min(same + 1, len(weights), len(reference_weights))
        if not (error := _largest(weights[:places], reference_weights[:places])) <= PROBABILITY_TOLERANCE:
            return Finding(
                Agreement.DIVERGED, reason=f"draws with other probabilities than the reference, off by {error:.1e}"
            )
    if not np.array_equal(expected, along):
        return Finding(Agreement.ROUNDING)
    if texts != own:
        return Finding(Agreement.DIVERGED, reason="draws other samples than the reference from the same probabilities")
    return Finding(Agreement.BIT_IDENTICAL)


def _by_sample(answer: Mapping[str, Any], vocabulary: int, block_size: int) -> list[np.ndarray] | None:
    """The weights that each sample's tokens were drawn by, (tokens, vocabulary) each; None where they don't fit."""
    places = [min(len(text) + 1, block_size) for text in answer["samples"]]
    weights = unpack(answer["drawn"])
    if weights.size != sum(places) * vocabulary:
        return None
    return np.split(weights.reshape(-1, vocabulary), np.cumsum(places)[:-1])


def _largest(expected: np.ndarray, weights: np.ndarray) -> float:
    return float(np.max(np.abs(expected - weights), initial=0.0))


def parity_text(finding: Finding) -> str:
    """bit-identical, or the largest |Δloss| and the first step that differs."""
    if finding.parity is Agreement.ROUNDING:
        return f"{finding.largest:.0e} @ {finding.first_step}" if finding.first_step else "losses equal"
    return str(finding.parity)
