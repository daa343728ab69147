"""labelmon watches labeled data the way SREs watch services."""

__version__ = "0.1.0"
