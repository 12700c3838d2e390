"""Texts as examples: how they become tokens, see `data.text.settings`."""
