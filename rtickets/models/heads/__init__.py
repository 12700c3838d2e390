"""Heads for answers with places: a class for every pixel, boxes around objects."""
