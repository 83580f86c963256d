"""What does one command do? One file a verb."""
