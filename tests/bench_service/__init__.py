"""`python -m tests.bench_service`: the cost of the service, beside FastAPI + SQLAlchemy and the floor.

Contestants share one core, load and PostgreSQL the other; rounds are interleaved and the median is
taken. CPU per request is the kernel's account of the contestant's process.
"""
