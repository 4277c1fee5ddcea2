"""Reports of a run: lines and a table at a terminal, JUnit XML, a badge, an HTML page."""
