"""How well what labelmon says holds up, by simulation. No generator here shares code with the estimator it judges.

python -m tests.benchmarks.calibration --seeds 201 202 203 204 205
"""
