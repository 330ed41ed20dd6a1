"""All charts of a run."""

from __future__ import annotations

from bench.host.pages.breakdown_charts import breakdowns
from bench.host.pages.chart_parts import Chart
from bench.host.pages.loss_charts import differences, losses
from bench.host.pages.size_charts import sizes
from bench.host.pages.speedup_charts import bought, heatmap, speedups, versions
from bench.host.pages.step_charts import drift, spread
from bench.host.results.run import Run


def charts(run: Run) -> list[Chart]:
    """Every chart that the run has data for. Raises UsageError from ratios as the tables do."""
    candidates = [speedups(run), heatmap(run), versions(run), bought(run), losses(run), differences(run), spread(run)]
    candidates += [drift(run), *sizes(run), *breakdowns(run)]
    return [chart for chart in candidates if chart.spec["data"]["values"]]
