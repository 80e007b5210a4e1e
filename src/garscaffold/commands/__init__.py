"""One function for each command; each raises, and the command line turns errors into exit codes."""
