"""printos-agent: the print agent of a site gateway."""

__version__ = "0.1.0"
