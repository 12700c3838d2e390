"""What is written about a training run beside its results."""
