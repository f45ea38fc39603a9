"""What passes over images collect for each kind of work, one file each; imported where a kind of work runs."""
