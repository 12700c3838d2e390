"""Ways of drawing a ticket from a network."""

from rtickets.draw.noise import noisy_weights
from rtickets.draw.omp import draw_omp
from rtickets.draw.permuted import permuted_layers
from rtickets.draw.scheduled import draw_scheduled, sparsity_schedule
from rtickets.masks.budget import survivors
from rtickets.tickets.ticket import Ticket

__all__ = [
    "Ticket",
    "draw_omp",
    "draw_scheduled",
    "noisy_weights",
    "permuted_layers",
    "sparsity_schedule",
    "survivors",
]
