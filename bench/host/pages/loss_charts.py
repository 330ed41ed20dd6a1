"""Charts of the losses, and of how far from the reference's they are."""

from __future__ import annotations

import math

from bench.host.pages.chart_parts import MOST_POINTS, Chart, Spec, by_engine, label, quantitative, spec, tooltip
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run


def losses(run: Run) -> Chart:
    """The losses of all cells."""
    return Chart(
        "losses",
        "The losses of all engines",
        "Every engine trains on the same documents from the same seed: the curves of all of them overlap. Without"
        " this, no speedup is shown.",
        spec(run, _loss_values(run), _curve(run, "loss", "loss (nats per token)", "~g"), 260),
    )


def differences(run: Run) -> Chart:
    """The losses less the reference's."""
    return Chart(
        "differences",
        "How far from the reference each loss is",
        "Each loss minus the reference's. At 0 they are equal to the last bit. A few times 10⁻¹⁶ is the last digit of a"
        " double; an engine that is off by more than 10⁻¹² is DIVERGED.",
        spec(run, _loss_values(run), _curve(run, "difference", "loss − the reference's (nats)", ".1e"), 260),
    )


def _loss_values(run: Run) -> list[Spec]:
    values = []
    for engine, runtime in run.cells:
        records, references = run.of((engine, runtime)), run.of((REFERENCE, runtime))
        if not records or not references or run.status((engine, runtime))[0] not in ("ok", "diverged"):
            continue
        expected, losses = references[0].losses, max((record.losses for record in records), key=len)
        stride = max(1, len(run.cells) * len(losses) // MOST_POINTS)
        for step, loss in list(enumerate(losses, 1))[::stride]:
            value = float.fromhex(loss)
            if math.isfinite(value) and step <= len(expected):
                values.append(
                    {
                        "engine": engine,
                        "runtime": label(run, runtime),
                        "step": run.record.plan.numbers[step - 1],
                        "loss": value,
                        "difference": value - float.fromhex(expected[step - 1]),
                    }
                )
    return values


def _curve(run: Run, field: str, title: str, form: str) -> Spec:
    numbers = run.record.plan.numbers
    ticks = {"tickMinStep": 1} if len(numbers) > 10 else {"values": numbers}
    x = quantitative("step", "training step", {"zero": False, "nice": False}, axis={**ticks, "format": "d"})
    y = quantitative(field, title, {"zero": False}, axis={"format": form})
    detail = {"field": "runtime", "type": "nominal"}
    tip = [
        *tooltip(("engine", "engine"), ("runtime", "runtime"), ("step", "step")),
        {"field": field, "format": ".17g"},
    ]
    marks = {"mark": {"type": "line", "point": {"size": 30, "filled": True}, "strokeWidth": 1.5, "opacity": 0.75}}
    return {**marks, "encoding": {"x": x, "y": y, "detail": detail, "tooltip": tip, **by_engine(run)}}
