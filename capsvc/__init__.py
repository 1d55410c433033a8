"""The capability service: mints, renews, verifies and revokes macaroons, over HTTP and for other programs."""

__version__ = "0.1.0"
