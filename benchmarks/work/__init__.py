"""Kinds of work, one file each, and what plans and runs them."""
