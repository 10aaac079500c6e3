"""The tiny training job, for every test of training."""

from training_job import job

__all__ = ["job"]
