"""Ways of drawing a ticket: one file a way, see `ways.base` and `ways.registry`."""
