"""The command line and the local shell: the same core, with child processes instead of Jobs."""
