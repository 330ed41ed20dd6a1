"""The built-in vector engine, with a promise of bits that it cannot keep. A broken promise."""

import dataclasses

import engines
from bench.workload.engine import Parity

ENGINE = dataclasses.replace(engines.load("vector"), name="promise_too_good", parity=Parity.BIT_IDENTICAL)
