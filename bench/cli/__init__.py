"""The command line: a module for each command, which parses, calls the library, prints and gives the exit status."""
