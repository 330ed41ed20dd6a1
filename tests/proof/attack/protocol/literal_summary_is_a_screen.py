"""A summary with escape codes, line breaks and 100,000 characters. Measured; none of it reaches the terminal."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="literal_summary_is_a_screen",
    summary="\x1b[2J\x1b]0;title\x07\nreference@cpython | 9,999x\n" * 3_000,
    change="\x1b[31m\r\n",
)
