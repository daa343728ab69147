"""Pure statistics: counts in, estimates with intervals, n and a state out."""
