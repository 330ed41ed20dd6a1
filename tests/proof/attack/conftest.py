"""The tally of the attack, by kind, under the tests' own summary: `pytest tests/proof/attack`."""

from tabulate import tabulate


def pytest_terminal_summary(terminalreporter):
    tally = {}
    for caught, result in ((1, "passed"), (0, "failed"), (0, "xfailed")):
        for report in terminalreporter.stats.get(result, []):
            kind = dict(getattr(report, "user_properties", ())).get("attack")
            if kind and report.when == "call":
                tried, before = tally.get(kind, (0, 0))
                tally[kind] = tried + 1, before + caught
    if tally:
        rows = [[kind, *counts] for kind, counts in sorted(tally.items())]
        rows.append(["all", *(sum(column) for column in zip(*tally.values()))])
        terminalreporter.section("wrong engines and cheats, by kind; honest ones that nothing may be said of")
        terminalreporter.write_line(tabulate(rows, headers=["kind", "tried", "as it must be"]))
