"""Data sets and synthetic cameras."""
