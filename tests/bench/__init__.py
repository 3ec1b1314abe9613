"""`python -m tests.bench`: the cost of a request, beside other proxies, in one run.

Contestants share one core, the load and the origin the other; rounds are interleaved and the median is
taken, because machines are noisy. CPU per request is read from the kernel's account of the contestant.
"""
