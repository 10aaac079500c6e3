"""Scores of pictures, depth and labels."""
