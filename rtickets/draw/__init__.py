"""Drawing tickets and keeping them."""

from rtickets.draw.omp import draw_omp, survivors
from rtickets.draw.ticket import Ticket

__all__ = ["Ticket", "draw_omp", "survivors"]
