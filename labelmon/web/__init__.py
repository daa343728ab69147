"""The daemon's HTTP face: /metrics, health, reload, the API."""
