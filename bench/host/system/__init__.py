"""What the machine has: interpreters, git, data, processes, files."""
