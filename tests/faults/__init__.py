"""What is survived: every fault of design rows U, C, P, T and X that these tests own, over real sockets."""
