"""Stand-ins for what a test bench lacks: printers, PrintOS and a broker, as real servers."""
