"""A run's plan as jobs of a cluster, or of processes side by side on one machine, on submitit's executors."""
