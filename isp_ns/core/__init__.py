"""The language of pipelines: frames, ports, stages, graphs and runs. Torch only, no I/O but YAML."""
