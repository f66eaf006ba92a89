"""Many simulated printers on loopback, and the agent that reads them all, measured from outside."""
