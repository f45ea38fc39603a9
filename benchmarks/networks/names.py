"""Names that measuring and reading measurements share; no torch here."""

# Suffix of the plain network's second measurement under another name: what the two differ by is the run's noise.
TWIN = "~twin"
# Suffix of a TD network that runs as ``tdam.reduce`` has it: the same numbers by less arithmetic.
REDUCED = "-reduced"
