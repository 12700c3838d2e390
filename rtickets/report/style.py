"""What all pictures of a report share."""

COLORS = ("#4c566a", "#c8553d", "#2a7f9e", "#7a9e3a", "#8e5ea2", "#d39b2a")
MARKERS = ("o", "s", "^", "D", "v")
DENSE = "dense"
