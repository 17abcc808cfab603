"""Quality: how good a face is, in numbers that a person can check. `metrics` are the formulas, `measure` applies them."""
