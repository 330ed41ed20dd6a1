"""The library: `measuring` makes runs, `reading` answers questions about them. Its names are those of `bench`."""
