"""Asks for an alarm in a thousand seconds: a timer of the process all the same. FAILED."""

import dataclasses
import signal

import engines

signal.signal(signal.SIGALRM, lambda number, frame: None)
signal.alarm(1_000)


ENGINE = dataclasses.replace(engines.load("reference"), name="signal_alarm_in_seconds")
