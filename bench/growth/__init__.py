"""How time and memory grow with the size of a file: each job on files of each size, in a process of its own."""
