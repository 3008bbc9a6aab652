"""From simulated states to the columns of PDMS and EPDMS."""
