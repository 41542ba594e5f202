"""Building blocks without business logic."""
