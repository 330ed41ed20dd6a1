"""All charts of a run."""

from __future__ import annotations

from bench.host.pages.breakdown_charts import breakdowns
from bench.host.pages.build_charts import builds, has_builds
from bench.host.pages.chart_parts import Chart
from bench.host.pages.loss_charts import differences, losses
from bench.host.pages.size_charts import sizes
from bench.host.pages.speedup_charts import bought, heatmap, speedups, versions
from bench.host.pages.step_charts import drift, spread
from bench.host.results.bases import OVER_REFERENCE, Base
from bench.host.results.run import Run


def charts(run: Run, base: Base = OVER_REFERENCE) -> list[Chart]:
    """Every chart that the run has data for. ``base``: of the speedups. Raises UsageError from ratios as the tables do."""
    candidates = [speedups(run, base), heatmap(run, base), builds(run) if has_builds(run) else versions(run)]
    candidates += [] if base.parents else [bought(run)]  # which is the first of them then
    candidates += [losses(run), differences(run), spread(run), drift(run), *sizes(run), *breakdowns(run)]
    return [chart for chart in candidates if chart.spec["data"]["values"]]
