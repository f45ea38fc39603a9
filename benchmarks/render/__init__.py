"""From records and rows to what people read. Nothing here imports torch."""
