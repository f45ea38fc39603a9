"""Papers, one folder for each."""
