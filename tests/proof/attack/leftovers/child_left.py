"""Leaves a child behind that sleeps. FAILED, or ended with the worker."""

import dataclasses
import subprocess
import sys

import engines

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "child_left"])


ENGINE = dataclasses.replace(engines.load("reference"), name="child_left")
