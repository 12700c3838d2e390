"""The machine: devices, processes, the terminal, and being asked to stop."""
