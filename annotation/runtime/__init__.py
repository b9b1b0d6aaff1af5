"""What a running instance needs below Django: the PostgreSQL cluster, the supervised processes, instance files."""
