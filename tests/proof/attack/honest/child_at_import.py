"""Asks a program something while it is imported, as libraries do; the program has ended before the first step."""

import dataclasses
import subprocess
import sys

import engines

VERSION = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout


ENGINE = dataclasses.replace(engines.load("reference"), name="child_at_import")
