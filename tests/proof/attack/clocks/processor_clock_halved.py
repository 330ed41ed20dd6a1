"""Replaces the processor's clock by one that goes at half the speed, in every module that has it. FAILED."""

import dataclasses
import sys
import time

import engines

honest = time.process_time_ns


def halved():
    return honest() // 2


for module in list(sys.modules.values()):
    for name, value in list(vars(module).items()):
        if value is time.process_time_ns and name != "honest":
            setattr(module, name, halved)


ENGINE = dataclasses.replace(engines.load("reference"), name="processor_clock_halved")
