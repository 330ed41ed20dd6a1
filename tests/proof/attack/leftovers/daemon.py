"""Leaves a process behind that is nobody's child. FAILED, or ended with the worker."""

import dataclasses
import os
import subprocess
import sys

import engines

child = os.fork()
if not child:
    os.setsid()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "daemon"])
    os._exit(0)
os.waitpid(child, 0)


ENGINE = dataclasses.replace(engines.load("reference"), name="daemon")
