"""Both APIs on loopback, built from their documentation: what the demo and the tests run against."""
