"""Preparing public data sets."""
