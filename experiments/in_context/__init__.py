"""In-context classification: the abrupt induction head, its equations, and which data make one (Reddy 2024)."""
