"""Ends with exit status 0 in the middle of a step, as if all were done. FAILED."""

import dataclasses
import sys

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="exits", backward=lambda loss: sys.exit(0))
