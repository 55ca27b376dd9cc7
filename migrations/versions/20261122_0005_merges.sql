-- Customers that are gone upstream are looked for every few seconds; there are few among very many.
CREATE INDEX records_gone_owners ON mirror.records (source, record_id)
    WHERE deleted AND object IN ('Account', 'client');
