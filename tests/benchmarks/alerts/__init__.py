"""How often the error budget alerts cry wolf and how soon they tell of a fault, beside the plain rule of the workbook.

python -m tests.benchmarks.alerts --seed 1 [--months 1000] [--runs 500]

Audits arrive by a Poisson process and err independently (or come in batches that err together); the alerts are
evaluated every minute over the product's own windows, evidence and tiers. Null cells have a true error at the
objective or at half of it, so that every alert is false: spending the budget exactly is no fault.
"""
