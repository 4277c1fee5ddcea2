"""A record of the suite for people and machines: lines and a table at a terminal, JUnit XML, a badge, an HTML page."""
