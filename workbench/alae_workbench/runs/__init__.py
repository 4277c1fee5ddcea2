"""Training runs: planning, the loop, and progress reports."""
