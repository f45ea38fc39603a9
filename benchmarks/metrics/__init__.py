"""From predictions to numbers: pure functions."""
