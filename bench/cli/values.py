"""What the value of an option may be: numbers, durations, lists of sizes and of CPUs."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from bench.host.results import shapes


class Finite(click.FloatRange):
    """A number between bounds, which NaN and infinity are not."""

    def __init__(self, *bounds: Any, **more: Any) -> None:
        super().__init__(*bounds, **more)
        if self.min is self.max is None:
            self.name = "float"

    def _describe_range(self) -> str:
        return "" if self.min is self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number as a float."""
        try:
            fits = math.isfinite(float(value)) and str(value).isascii()
        except ValueError:
            fits = False
        if not fits:
            self.fail(f"{value!r:.60} is not a finite number: write it as in 0.05", param, ctx)
        return super().convert(value, param, ctx)


class Whole(click.IntRange):
    """A whole number between bounds, and none so large that floats could not count up to it."""

    def __init__(self, *bounds: Any, **more: Any) -> None:
        super().__init__(*bounds, **more)
        if self.min is self.max is None:
            self.name = "integer"

    def _describe_range(self) -> str:
        return "" if self.min is self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number as an int."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r:.60} is not a whole number", param, ctx)
        if not -shapes.MOST <= number <= shapes.MOST or not str(value).isascii():
            self.fail(f"{value!r:.60} is not a whole number of up to {len(str(shapes.MOST))} digits", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.ParamType[float]):
    """A duration: 90, 90s, 20ms, 5m or 1h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        if isinstance(value, float):
            return value
        number = value.rstrip("hms")
        unit = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600}.get(value[len(number) :], 0)
        try:
            seconds = float(number) * unit
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < 1e9:
            self.fail(f"{value!r} is not a duration: write 90s, 5m or 1h", param, ctx)
        return seconds


class Numbers(click.ParamType[list[int]]):
    """Whole numbers from 1 on: 16,32,64."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """In the order given."""
        if isinstance(value, list):
            return value
        if not all(re.fullmatch("[1-9][0-9]{0,8}", part) for part in value.split(",")):
            self.fail(f"{value!r} is not a list of whole numbers from 1 on: write them as in 1,2,4", param, ctx)
        return [int(part) for part in value.split(",")]


class Cpus(click.ParamType[list[int]]):
    """CPU numbers: 1, 0,2 or 0-3. Refuses those that this machine does not let us use."""

    name = "cpus"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Sorted numbers."""
        if isinstance(value, list):
            return value
        cpus: set[int] = set()
        for part in value.split(","):
            first, _, last = part.partition("-")
            if not all(re.fullmatch("[0-9]{1,6}", end) for end in (first, last or first)) or int(last or first) < int(
                first
            ):
                self.fail(f"{value!r} is not a list of CPUs: write 1 or 0,2 or 0-3", param, ctx)
            cpus.update(range(int(first), int(last or first) + 1))
        from bench.host.system import machine  # here: its import takes as long as some commands

        here = machine.allowed_cpus()
        if not here:
            self.fail("this system does not bind processes to CPUs: leave --affinity out", param, ctx)
        if cpus - here:
            self.fail(
                f"this machine has no CPU {min(cpus - here)} that we may use: choose from {', '.join(map(str, sorted(here)))}",
                param,
                ctx,
            )
        return sorted(cpus)
