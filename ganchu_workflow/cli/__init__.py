"""The command line `ganchu`."""
