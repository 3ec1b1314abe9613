"""The whole system from one command, without containers: `python -m deploy.local`."""
