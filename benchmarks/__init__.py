"""The suite: runs the paper's experiments cell by cell and compares them with the paper."""
