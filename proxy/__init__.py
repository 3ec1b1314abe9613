"""The facade: routes.yaml in, traffic out. `CONTEXT.md` holds the words, `docs/routes.md` the language."""
