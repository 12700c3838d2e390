"""Readers of public data sets as their authors distribute them, archives unpacked."""
