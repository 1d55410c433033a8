"""The service over HTTP (design section 8)."""
