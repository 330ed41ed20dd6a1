"""The package engines that stands beside bench, whatever else has that name on the way to it.

A folder of the user's may well have a package engines of its own, and the working folder or PYTHONPATH would have it
imported instead of ours.
"""

from __future__ import annotations

import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, HOME)
try:
    import engines
finally:
    sys.path.remove(HOME)
if engines.__file__ is None or not os.path.samefile(os.path.dirname(os.path.dirname(engines.__file__)), HOME):
    raise ImportError(
        f"the package engines is already imported from {engines.__file__}, and bench needs the one in {HOME}:"
        " import bench before it"
    )
