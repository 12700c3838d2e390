"""Readers of public data sets as their authors distribute them, archives unpacked.

Each takes the folder that its `Args` describe, or one up to three levels above it.
"""
