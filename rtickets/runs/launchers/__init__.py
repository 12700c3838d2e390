"""Starting the workers of a study: on this machine, or through SLURM."""
