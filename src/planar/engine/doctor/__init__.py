"""Is everything well with the engine's database, and if not, what is to be done?

`planar.engine.store.inspecting.read_facts` tells what there is, `diagnose` what it means, `examine` does both.
"""
