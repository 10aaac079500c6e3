"""The networks of the neural space, on batched tensors."""
