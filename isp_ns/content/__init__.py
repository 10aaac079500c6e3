"""Finds the YAML that ships with the library."""
