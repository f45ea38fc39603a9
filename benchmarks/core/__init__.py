"""What everything rests on: cells, records, the store, identity, progress, processes. Knows no paper and no network."""
