"""The vocabulary of pipelines, one family per file."""
