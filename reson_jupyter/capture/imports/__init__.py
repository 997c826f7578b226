"""What imports bring along: the user's own files, and requirements for what is installed."""
