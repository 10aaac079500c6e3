"""Frames of charts in, camera numbers and residuals out."""
