"""The suite's data sets, one file for each."""
