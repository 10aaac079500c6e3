"""Folders of files through a pipeline."""
