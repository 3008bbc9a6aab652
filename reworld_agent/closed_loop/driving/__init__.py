"""Driving an agent through many scenarios: settings, processes, tables, records."""
