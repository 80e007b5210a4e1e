"""Private Python packages on Google Artifact Registry, wired the right way and kept right."""

__version__ = "0.1.0"
