"""The same RAW through several pipelines."""
