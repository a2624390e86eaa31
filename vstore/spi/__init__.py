"""What the author of an adapter builds with, and nothing else."""
