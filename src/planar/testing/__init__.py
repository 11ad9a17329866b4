"""What tests of a Planar app are made of. Nothing here is imported by the package itself."""
