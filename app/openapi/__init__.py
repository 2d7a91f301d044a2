"""OpenAPI: the document that clients, mocks and tests are made from, and the page that shows it."""
