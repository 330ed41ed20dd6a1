"""Leaves a child with a session of its own. FAILED, or ended with the worker."""

import dataclasses
import subprocess
import sys

import engines

subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)", "child_of_its_own_session"], start_new_session=True
)


ENGINE = dataclasses.replace(engines.load("reference"), name="child_of_its_own_session")
