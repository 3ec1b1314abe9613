"""FlightSpecials: the service carved out of the monolith, on PostgreSQL."""
