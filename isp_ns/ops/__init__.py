"""Tensor in, tensor out: the arithmetic of an ISP, without frames or files."""
