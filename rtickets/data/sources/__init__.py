"""Where examples come from, by name."""
