"""The picture of what two switches bring together: a square for each two, a panel for each Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.host.pages.chart_parts import Spec
from bench.host.pages.interactions_tables import effect_text, heads
from bench.host.pages.wording import number
from bench.host.results.interaction_effects import Effects


def spec(several: Sequence[Effects]) -> Spec:
    """The speedup of both over the product of what each brings, blue above 1 and orange below; on the diagonal each one's own."""
    values: list[Spec] = []
    for effects, head in zip(several, heads(several)):
        for factors in [*((name, name) for name in effects.names), *effects.pairs]:
            effect = effects.time(*dict.fromkeys(factors))
            ratio = math.exp(effect.value)
            common = {
                "python": head,
                "ratio": ratio,
                "text": number(ratio) if effect.clear else "",
                "told": effect_text(effect),
            }
            values += [
                {**common, "one": one, "other": other, "own": one == other} for one, other in {factors, factors[::-1]}
            ]
    axis = {"type": "nominal", "sort": several[0].names, "title": None}
    x = {"field": "one", **axis, "axis": {"orient": "top", "labelAngle": -45}}
    scale = {"type": "log", "domain": [0.5, 1, 2], "range": ["#d55e00", "#f5f5f5", "#0072b2"], "clamp": True}
    color = {"field": "ratio", "type": "quantitative", "scale": scale, "legend": None}
    tip = [{"field": field, "title": title} for field, title in (("one", ""), ("other", "and"), ("told", "speedup"))]
    dark = "abs(log(datum.ratio)) > 0.4 ? 'white' : 'black'"
    edge = {"condition": {"test": "datum.own", "value": "black"}, "value": None}
    text = {"field": "text", "type": "nominal"}
    return {
        "background": "white",
        "title": {
            "text": "What two changes bring together",
            "subtitle": "Speedup of both over the product of each one's; framed: what one brings by itself. Numbers where the 95 % interval leaves out 1.",
            "anchor": "start",
        },
        "data": {"values": values},
        "facet": {"column": {"field": "python", "type": "nominal", "title": None, "sort": heads(several)}},
        "spec": {
            "width": {"step": 34},
            "height": {"step": 26},
            "encoding": {"x": x, "y": {"field": "other", **axis}},
            "layer": [
                {"mark": "rect", "encoding": {"color": color, "stroke": edge, "tooltip": tip}},
                {"mark": {"type": "text", "fontSize": 10, "color": {"expr": dark}}, "encoding": {"text": text}},
            ],
        },
    }
