"""What the commands do, as functions for notebooks and programs: one module per command, with the command's name."""
