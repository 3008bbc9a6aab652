"""One file a metric of PDMS and EPDMS."""
