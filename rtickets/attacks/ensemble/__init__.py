"""Ensembles of attacks: the worst case, per example, resumable."""
