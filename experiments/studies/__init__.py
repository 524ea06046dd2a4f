"""Published studies rebuilt, each run by one command."""
