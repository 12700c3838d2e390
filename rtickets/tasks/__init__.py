"""What a network is asked to do and how that is judged."""
