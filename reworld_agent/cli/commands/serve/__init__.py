"""`reworld serve ...`: services that others call."""
