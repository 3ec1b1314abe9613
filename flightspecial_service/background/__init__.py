"""What runs beside the requests: the start, readiness, housekeeping. Each task belongs to the app's lifespan."""
