"""Mutation testing of the core: is there a test that notices when a line says something else?"""
