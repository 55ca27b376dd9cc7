SELECT generations.reshape(
    'invoices',
    'ADD COLUMN collective boolean NOT NULL DEFAULT false, ADD COLUMN paid numeric(18, 2) NOT NULL DEFAULT 0, '
    'ADD COLUMN refunded numeric(18, 2) NOT NULL DEFAULT 0'
);

COMMENT ON VIEW read_model.invoices IS 'WHMCS invoices with lines, tax, credit, payments and refunds. subtotal + tax - credit = total; total - paid + refunded = balance.';

COMMENT ON COLUMN read_model.invoices.collective IS 'A bill that only collects other invoices: leave it out of every sum, or they are counted twice.';

COMMENT ON COLUMN read_model.invoices.status IS 'draft, unpaid, paid, cancelled, refunded, collections, payment_pending or unknown. Overdue is unpaid with due_on before today.';

UPDATE read_model.generations SET projector_version = 2
WHERE slice = 'invoices' AND state = 'serving' AND NOT EXISTS (SELECT FROM mirror.records);
