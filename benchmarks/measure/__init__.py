"""What a network costs: arithmetic, time and memory. The only files with clocks and device synchronisation."""
