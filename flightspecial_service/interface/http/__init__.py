"""HTTP without the API: messages, methods, parameters, entity tags, content codings, errors."""
