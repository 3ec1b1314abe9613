"""PostgreSQL: the pool of connections and the stores of the domain."""
