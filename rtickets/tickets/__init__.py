"""Tickets: a mask, the weights it inherits and where they come from."""
