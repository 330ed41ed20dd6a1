"""Ends the worker while it is imported. FAILED."""

import os

os._exit(0)
