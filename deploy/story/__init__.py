"""`make story`: the strangler fig from its first step to its last, on the local stack, with traffic."""
