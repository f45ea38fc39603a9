"""What the suite promises, test by test."""
