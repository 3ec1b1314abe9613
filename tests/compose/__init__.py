"""The images and compose.yaml: static tests for `make test`; `python -m tests.compose` tries them for real."""
