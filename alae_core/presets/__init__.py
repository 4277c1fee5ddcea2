"""One YAML file per published configuration; the file's name is the preset's name."""
