"""The library: `measuring` makes runs, `reading` answers questions about them. Its names are those of `bench`."""

import os

Path = str | os.PathLike[str]
RESULTS = "results"  # the folder that holds the runs
