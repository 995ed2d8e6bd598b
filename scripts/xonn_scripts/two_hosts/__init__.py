"""Private predictions between two hosts on one machine, over links of several rates and delays."""
