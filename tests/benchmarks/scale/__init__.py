"""What a fleet of datasets costs: the scrape of one daemon, and the rules that watch it in a real Prometheus."""
