"""Shipped weights: one safetensors file and its card beside it for every network."""
