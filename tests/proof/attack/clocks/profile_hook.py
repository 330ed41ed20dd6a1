"""Sets a profiling hook, which sees every call of the worker's. FAILED."""

import dataclasses
import sys

import engines

sys.setprofile(lambda frame, event, argument: None)


ENGINE = dataclasses.replace(engines.load("reference"), name="profile_hook")
