"""Changes how long threads may run before others do. FAILED."""

import dataclasses
import sys

import engines

sys.setswitchinterval(10)


ENGINE = dataclasses.replace(engines.load("reference"), name="switch_interval")
