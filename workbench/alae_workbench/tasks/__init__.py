"""The tasks of the commands as functions for notebooks and programs: a module for each command, with its name."""
