"""Pipelines from a supernet to a small network, compared on the same tasks."""
