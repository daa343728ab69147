"""Rules, their promtool tests, Alertmanager routes and runbooks: pure functions of the catalogue."""
