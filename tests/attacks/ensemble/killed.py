"""An ensemble of attacks that is killed while it keeps its state in a folder."""

from contextlib import contextmanager

from rtickets.attacks.ensemble import legs
from rtickets.attacks.ensemble.saved_state import save_progress


class Killed(Exception):
    pass


@contextmanager
def killed_after(monkeypatch, saves):
    """Write the state at every step, and raise `Killed` after so many times; give the writes."""
    done = []

    def save(*args, **options):
        save_progress(*args, **options)
        done.append(1)
        if len(done) == saves:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(legs, "_SAVE_SECONDS", -1.0)
        patch.setattr(legs, "save_progress", save)
        yield done
