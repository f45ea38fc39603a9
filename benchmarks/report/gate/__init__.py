"""The gate of continuous integration: a short run, compared with a reference cell by cell."""
