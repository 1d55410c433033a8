"""What verification costs, measured beside its peers in the same run: ``make bench``."""
