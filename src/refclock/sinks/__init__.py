"""Where decisions go: chrony's shared memory, the journal, a status socket, the service manager."""
