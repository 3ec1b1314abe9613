"""Tests of proxy/comparison."""
