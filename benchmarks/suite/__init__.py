"""What the suite itself costs: benchmarks of its own code, each printing a ratio measured in one run."""
