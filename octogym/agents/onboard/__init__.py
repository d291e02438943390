"""Room for the iAgent that decides and learns on the device in NumPy alone, and for safe decisions; Python 3.8."""
