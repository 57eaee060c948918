"""The lab of real parts: what the program does on parts that we did not write."""
