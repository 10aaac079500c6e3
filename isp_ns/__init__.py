"""isp_ns: raw-camera image processing with typed pipeline graphs and a shared neural feature space."""
