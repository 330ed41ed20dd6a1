"""The workload side: all that runs inside the interpreter under test.

Standard library only, CPython 3.9 and newer and PyPy. Nothing here may import from ``bench.host``.
"""
