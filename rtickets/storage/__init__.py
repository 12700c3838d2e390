"""Files that are whole or not there: writing, reading, locks and checkpoints."""
