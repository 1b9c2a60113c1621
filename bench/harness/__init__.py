"""What `bench/run` is made of: the servers it starts, the loads it runs, and the table it prints."""
