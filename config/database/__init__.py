"""Django's PostgreSQL, asked less often whether it is there: the ENGINE of the settings."""
