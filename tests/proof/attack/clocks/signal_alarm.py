"""Sets a timer of the process, whose handler may work at any time. FAILED."""

import dataclasses
import signal

import engines

signal.signal(signal.SIGALRM, lambda number, frame: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)


ENGINE = dataclasses.replace(engines.load("reference"), name="signal_alarm")
