"""Very many bad tickets and commands, through a real broker to real agents, and what became of each."""
