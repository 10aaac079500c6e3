"""Losses, balancers, distillation and the training loop."""
