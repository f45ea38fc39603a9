"""From records to verdicts, tables, plots and the page. Imports no torch."""
