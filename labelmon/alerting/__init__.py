"""From the catalogue to rules, their tests, routes and runbooks. Pure: nothing here knows a dataset."""
