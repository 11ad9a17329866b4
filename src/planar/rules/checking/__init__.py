"""What is wrong with a decision graph? Pure functions of graphs and schemas; each gives findings that say where and what to do."""
