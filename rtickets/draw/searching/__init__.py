"""Searching in supernets: which channels live, which weights of them, and when."""
