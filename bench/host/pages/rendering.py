"""A Table as text: plain, GitHub's Markdown, HTML, JSON."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import pathlib
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from bench.host.results.table import Table
from bench.workload.model_file import write_atomically

# columns that a narrow terminal goes without
LESS_IMPORTANT = ("samples", "MB", "machine", "runtimes", "rounds", "compared with")
FORMATS = ("plain", "github", "html", "json")


def render_tables(tables: Sequence[Table], style: str) -> str:
    """Several tables, in one of FORMATS."""
    if style == "json":
        return _json([dataclasses.asdict(table) for table in tables])
    return "\n\n".join(render_table(table, style) for table in tables)


def render_table(table: Table, style: str, left: bool = False) -> str:
    """One table with its title and lines, in one of FORMATS."""
    if style == "json":
        return _json(dataclasses.asdict(table))
    if style == "plain":
        table = narrowed(table)
    title = {
        "plain": table.title,
        "github": f"### {_markdown(table.title)}",
        "html": f"<h3>{html.escape(table.title)}</h3>",
    }[style]
    above = ["\n".join(prose(table.above, style))] if table.above else []
    blocks = [title, *above, grid(table.headers, table.rows, style, left)]
    if table.below:
        blocks.append("\n".join(prose(table.below, style)))
    return ("\n" if style == "plain" else "\n\n").join(blocks)


def keep(folder: pathlib.Path, text: str) -> None:
    """Write a run's tables.md: its tables for who looks at its folder."""
    write_atomically(folder / "tables.md", text + "\n")


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)


def narrowed(table: Table) -> Table:
    """The table without its least important columns, as far as needed for a terminal of the width at hand.

    What is written to a file or a pipe keeps all its columns.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    for column in LESS_IMPORTANT:
        if max(map(len, grid(table.headers, table.rows, "plain").splitlines())) > width and column in table.headers:
            at = table.headers.index(column)
            rows = [[*row[:at], *row[at + 1 :]] for row in table.rows]
            table = dataclasses.replace(
                table,
                headers=[*table.headers[:at], *table.headers[at + 1 :]],
                rows=rows,
                below=[*table.below, f"({column} is left out: the terminal is too narrow)"],
            )
    return table


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], style: str, left: bool = False) -> str:
    """The cells alone."""
    from tabulate import tabulate  # here: its import takes longer than most commands

    return tabulate(
        rows if style != "github" else [[_markdown(cell) for cell in row] for row in rows],
        headers=headers,
        tablefmt={"plain": "simple", "github": "github", "html": "html"}[style],
        disable_numparse=True,
        colalign=["left", *["left" if left else "right"] * (len(headers) - 1)],
    )


def prose(lines: Sequence[str], style: str) -> list[str]:
    """Lines of text beside a table."""
    if style == "html":
        return [f"<p>{html.escape(line)}</p>" for line in lines]
    if style == "github":
        return [f"{_markdown(line)}<br>" if line != lines[-1] else _markdown(line) for line in lines]
    return list(lines)


def _markdown(text: str) -> str:
    for character in "\\`*|[]<>":
        text = text.replace(
            character, "\\" + character if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character]
        )
    return text.replace("__", "\\_\\_")  # of __init__, which would be bold
