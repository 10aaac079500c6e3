"""Benchmarks: stages, pipelines and whole processes beside other raw developers, measured under one protocol."""
