"""Leaves a child that computes for ever, while others are measured. FAILED."""

import dataclasses
import subprocess
import sys

import engines

subprocess.Popen([sys.executable, "-c", "while True: pass", "child_busy"])


ENGINE = dataclasses.replace(engines.load("reference"), name="child_busy")
