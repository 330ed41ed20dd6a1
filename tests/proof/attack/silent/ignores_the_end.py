"""Ignores the signals that end a process, and hangs in its last order. FAILED, and gone."""

import dataclasses
import signal
import time

import engines

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)

ENGINE = dataclasses.replace(
    engines.load("reference"), name="ignores_the_end", read_values=lambda matrix: time.sleep(1_000)
)
