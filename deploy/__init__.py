"""Deployment: images, compose, chart, and the local stack."""
