"""Dunning: from an invoice that was not paid to suspension, and back.

A process manager journaled in portal.dunning, one row an invoice. The clock jobs `captures` and `suspension` move rows
on; the job `dunning` ends what was paid and restores what it suspended. What is to be done is decided by pure functions
(`decide`, `schedule`, `policy`) from facts that are read from WHMCS at that moment. Only `charge` moves money, through
the one journal of charges, and only `suspend` and `restore` write services.
"""
