"""What the experiments of the claims answer can be what it says: the check of claims.json, as `checks` has the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.host.results.checks import check_hexadecimal, check_times
from bench.host.results.records import REFERENCE
from bench.host.results.shapes import exactly


def check_claims(record: Any) -> None:
    """A ClaimsRecord: what bench.workload.experiments answers, by runtime, experiment and engine."""
    for name, about in record.runtimes.items():
        for how, changed, fields in (
            ("depth", "iterative", {"length": int, "error": str}),
            (
                "stability",
                "fused_cross_entropy",
                {"target": int, "gap": int, "error": str, "loss": str, "gradients": list},
            ),
        ):
            experiments = about.get(how)
            if not isinstance(experiments, dict) or not {REFERENCE, changed} <= set(experiments):
                raise ValueError(f"{name} lacks the experiment {how} of {REFERENCE} and {changed}")
            for answers in experiments.values():
                _check_answers(answers, fields, f"{name}, {how}")
        if "sums" in about:  # older files have none
            if not isinstance(about["sums"], dict) or "dot" not in about["sums"]:
                raise ValueError(f"{name} lacks the sums of dot")
            _check_answers(about["sums"]["dot"], {"generator": int, "list": int, "loop": int}, f"{name}, sums")
            for answer in about["sums"]["dot"]:
                check_times([*answer.values()], f"{name}, sums")


def _check_answers(answers: Any, fields: Mapping[str, type], where: str) -> None:
    if not isinstance(answers, list) or not answers:
        raise ValueError(f"{where}: expected answers, got {answers!r:.60}")
    for answer in answers:
        if not isinstance(answer, dict) or set(answer) < set(fields):
            raise ValueError(f"{where}: expected {', '.join(fields)}, got {answer!r:.60}")
        for field, kind in fields.items():
            exactly(answer[field], kind)
        if "loss" in fields and not answer["error"]:
            if answer["target"] not in (0, 1) or not 0 <= answer["gap"] <= 10**5 or len(answer["gradients"]) != 3:
                raise ValueError(f"{where}: an answer is {answer!r:.60}")
            for number in (answer["loss"], *answer["gradients"]):
                check_hexadecimal(number)
