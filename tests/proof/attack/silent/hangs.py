"""Never comes back. FAILED, after the time that a worker may be silent."""

import dataclasses
import time

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="hangs", backward=lambda loss: time.sleep(1_000))
