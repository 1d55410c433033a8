"""The capability service."""
