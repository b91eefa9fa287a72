"""What the columns of a table hold: numbers as people write them, formulas, names, units, states and conditions."""
